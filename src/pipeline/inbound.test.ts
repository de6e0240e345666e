import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Bed, fact, IN, startBed } from '../../test/fixtures/connector.js';
import { mail } from '../../test/fixtures/fake-driver.js';
import { requestRelease } from './control-requests.js';

let bed: Bed;
beforeEach(async () => {
  bed = await startBed();
});
afterEach(async () => {
  expect(bed.fakeServer.violations).toEqual([]);
  await bed.close();
});

const joined = (lines: string[]) => lines.join('');

describe('a customer’s message', () => {
  it('is confirmed only after the server has accepted it', async () => {
    let answer: (accepted: boolean) => void = () => {};
    bed.fakeServer.onReceiving = () => new Promise((resolve) => (answer = resolve));
    const put = bed.inbound.put('one');
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(put.events).toEqual([]);
    answer(true);
    await fact(() => put.events.length > 0);
    expect(put.events).toEqual(['confirmed']);
  });

  it('arrives with the fields that the server requires', async () => {
    bed.inbound.put('one');
    const { content } = await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(content).toMatchObject({
      GatewayId: IN,
      DeliverySystemId: 'one@example.com',
      RemoteAddress: 'ann@example.com',
      FromField: 'Ann <ann@example.com>',
      SubjectField: 'one',
      Direction: 'I',
      ReceivedSentTime: '2026-11-22T00:00:00.000Z',
    });
    expect(content.BodyText).toContain('Hello one');
    expect(content.BodyHtml).toContain('Hello one');
    expect(content.RequestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('is tried again after "false", under the same ids, and confirmed after "true"', async () => {
    const verdicts = [false, true];
    bed.fakeServer.onReceiving = () => verdicts.shift() ?? true;
    const put = bed.inbound.put('one');
    await bed.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 1);
    await fact(() => joined(bed.lines).includes('server rejected inbound message'));
    await bed.clock.advance(5_000);
    const [first, second] = await bed.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    expect(second?.content.RequestId).toBe(first?.content.RequestId);
    expect(second?.content.DeliverySystemId).toBe(first?.content.DeliverySystemId);
    await fact(() => put.events.includes('confirmed'));
  });

  it('is tried again when 60 s passed without an answer, and not before', async () => {
    bed.fakeServer.onReceiving = () => 'silent';
    const put = bed.inbound.put('one');
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await bed.clock.advance(59_900);
    expect(bed.fakeServer.received).toHaveLength(1);
    bed.fakeServer.onReceiving = () => true;
    await bed.clock.advance(10_000);
    await bed.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    await fact(() => put.events.includes('confirmed'));
  });

  it('counts a late answer to an earlier attempt, and is not sent again', async () => {
    bed.fakeServer.onReceiving = () => 'silent';
    const put = bed.inbound.put('one');
    const { content } = await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await bed.clock.advance(61_000);
    bed.fakeServer.acknowledge(content);
    await fact(() => put.events.includes('confirmed'));
    await bed.clock.advance(600_000);
    expect(bed.fakeServer.received).toHaveLength(1);
  });

  it('goes to quarantine after eight rejections, whole, and those behind it get through meanwhile', async () => {
    bed.fakeServer.onReceiving = (message) => message.SubjectField !== 'poison';
    const poison = bed.inbound.put('poison');
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    const behind = bed.inbound.put('behind');
    await fact(() => behind.events.includes('confirmed'));
    // Small steps: the pauses are to pass, but not the 60 s in which the server has to answer each time.
    while (poison.events.length === 0) await bed.clock.advance(2_000);
    expect(poison.events).toEqual(['refused: the contact center rejected it']);
    expect(bed.fakeServer.received.filter((message) => message.SubjectField === 'poison')).toHaveLength(8);
  });

  it('that an operator lets out of quarantine is handed over from the journal’s own copy, under its old ids', async () => {
    bed.fakeServer.onReceiving = () => false;
    const put = bed.inbound.put('one');
    while (put.events.length === 0) await bed.clock.advance(2_000);
    const requestId = bed.fakeServer.received[0]?.RequestId;
    bed.fakeServer.onReceiving = () => true;
    requestRelease(join(bed.folder, 'data'), 1);
    while (bed.fakeServer.received.length < 9) await bed.clock.advance(500);
    expect(bed.fakeServer.received[8]?.RequestId).toBe(requestId);
    expect(bed.fakeServer.received[8]?.BodyText).toContain('Hello one');
    await fact(() => bed.lines.some((line) => line.includes('message is requeued from quarantine')));
  });

  it('survives a connection lost in mid-frame: handed over again at once, confirmed once', async () => {
    bed.fakeServer.onReceiving = () => 'silent';
    const put = bed.inbound.put('one');
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    bed.fakeServer.onReceiving = () => true;
    bed.fakeServer.dropMidFrame();
    await fact(() => bed.service.state().is === 'down');
    await bed.clock.advance(2_000);
    const [first, second] = await bed.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    expect(second?.content.RequestId).toBe(first?.content.RequestId);
    await fact(() => put.events.length > 0);
    expect(put.events).toEqual(['confirmed']);
  });

  it('that a restart interrupts before the answer is handed over again under the same RequestId', async () => {
    bed.fakeServer.onReceiving = () => 'silent';
    bed.inbound.put('one');
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await bed.restart();
    bed.fakeServer.onReceiving = () => true;
    const again = bed.inbound.put('one');
    const [first, second] = await bed.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    expect(second?.content.RequestId).toBe(first?.content.RequestId);
    await fact(() => again.events.includes('confirmed'));
  });

  it('that was acknowledged while Gatepost was away is only confirmed, not sent again', async () => {
    bed.fakeServer.onReceiving = () => 'silent';
    bed.inbound.put('one');
    const { content } = await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await bed.restart();
    bed.fakeServer.acknowledge(content);
    await fact(() => bed.fakeServer.logins.length === 2);
    await bed.clock.advance(0);
    const again = bed.inbound.put('one');
    await fact(() => again.events.includes('confirmed'));
    expect(bed.fakeServer.received).toHaveLength(1);
  });

  it('seen twice is handed over once', async () => {
    const first = bed.inbound.put('one');
    await fact(() => first.events.includes('confirmed'));
    const second = bed.inbound.put('one');
    await fact(() => second.events.includes('confirmed'));
    expect(bed.fakeServer.received).toHaveLength(1);
  });
});

describe('a mailbox that was renumbered', () => {
  it('while a message was on its way: the message goes on under its new key and is confirmed there', async () => {
    const stale = async () => {
      throw new Error('UIDVALIDITY changed');
    };
    bed.inbound.put('old-key', mail('one'), stale);
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await fact(() => joined(bed.lines).includes('confirmation failed'));
    await bed.inbound.driverState?.rekey([{ from: 'old-key', to: 'new-key' }]);
    const shownAgain = bed.inbound.put('new-key', mail('one'));
    await bed.clock.advance(120_000);
    await fact(() => shownAgain.events.includes('confirmed'));
    expect(bed.fakeServer.received).toHaveLength(1);
    expect(bed.service.views().find((view) => view.id === IN)?.inFlight).toBe(0);
  });
});

describe('the window', () => {
  it('of unacknowledged messages stops the driver when it is full', async () => {
    bed.fakeServer.onReceiving = () => 'silent';
    for (let n = 0; n < 100; n++) bed.inbound.put(`mail-${n}`, mail(`mail-${n}`));
    await bed.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 64);
    await bed.clock.advance(1_000);
    expect(bed.fakeServer.received).toHaveLength(64);
    // One more waits at the door.
    expect(bed.inbound.taken).toBe(65);
    for (const message of [...bed.fakeServer.received]) bed.fakeServer.acknowledge(message);
    await bed.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 100);
  });
});
