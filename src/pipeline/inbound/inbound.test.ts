import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Fixture, IN, startFixture } from '../../../test/fixtures/connector.js';
import { mail } from '../../../test/fixtures/fake-driver.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { requestRelease } from '../control-requests.js';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await startFixture();
});
afterEach(async () => {
  expect(fixture.fakeServer.violations).toEqual([]);
  await fixture.close();
});

const logged = (text: string) => fixture.lines.some((line) => line.includes(text));

describe('an inbound message', () => {
  it('is confirmed only after the server has accepted it', async () => {
    let answer: (accepted: boolean) => void = () => {};
    fixture.fakeServer.onReceiving = () => new Promise((resolve) => (answer = resolve));
    const put = fixture.inbound.put('one');
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(put.events).toEqual([]);
    answer(true);
    await waitFor('an event of the message', () => put.events.length > 0);
    expect(put.events).toEqual(['confirmed']);
  });

  it('has the fields that the server requires', async () => {
    fixture.inbound.put('one');
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
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
    fixture.fakeServer.onReceiving = () => verdicts.shift() ?? true;
    const put = fixture.inbound.put('one');
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 1);
    await waitFor('the rejection in the log', () => logged('server rejected inbound message'));
    await fixture.clock.advance(5_000);
    const [first, second] = await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    expect(second?.content.RequestId).toBe(first?.content.RequestId);
    expect(second?.content.DeliverySystemId).toBe(first?.content.DeliverySystemId);
    await waitFor('the message to be confirmed', () => put.events.includes('confirmed'));
  });

  it('is tried again when 60 s passed without an answer, and not before', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    const put = fixture.inbound.put('one');
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await fixture.clock.advance(59_900);
    expect(fixture.fakeServer.received).toHaveLength(1);
    fixture.fakeServer.onReceiving = () => true;
    await fixture.clock.advance(10_000);
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    await waitFor('the message to be confirmed', () => put.events.includes('confirmed'));
  });

  it('counts a late answer to an earlier attempt, and is not sent again', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    const put = fixture.inbound.put('one');
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await fixture.clock.advance(61_000);
    fixture.fakeServer.acknowledge(content);
    await waitFor('the message to be confirmed', () => put.events.includes('confirmed'));
    await fixture.clock.advance(600_000);
    expect(fixture.fakeServer.received).toHaveLength(1);
  });

  it('goes to quarantine after eight rejections, whole, and those behind it get through meanwhile', async () => {
    fixture.fakeServer.onReceiving = (message) => message.SubjectField !== 'poison';
    const poison = fixture.inbound.put('poison');
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    const behind = fixture.inbound.put('behind');
    await waitFor('the message behind to be confirmed', () => behind.events.includes('confirmed'));
    // Small steps: the pauses are to pass, but not the 60 s in which the server has to answer each time.
    while (poison.events.length === 0) await fixture.clock.advance(2_000);
    expect(poison.events).toEqual(['refused: the contact center rejected it']);
    expect(fixture.fakeServer.received.filter((message) => message.SubjectField === 'poison')).toHaveLength(8);
  });

  it('that an operator requeues is handed over from the journal’s own copy, under its old ids', async () => {
    fixture.fakeServer.onReceiving = () => false;
    const put = fixture.inbound.put('one');
    while (put.events.length === 0) await fixture.clock.advance(2_000);
    const requestId = fixture.fakeServer.received[0]?.RequestId;
    fixture.fakeServer.onReceiving = () => true;
    requestRelease(join(fixture.folder, 'data'), 1);
    while (fixture.fakeServer.received.length < 9) await fixture.clock.advance(500);
    expect(fixture.fakeServer.received[8]?.RequestId).toBe(requestId);
    expect(fixture.fakeServer.received[8]?.BodyText).toContain('Hello one');
    await waitFor('the message to be requeued', () =>
      fixture.lines.some((line) => line.includes('message is requeued from quarantine')),
    );
  });

  it('survives a connection lost in mid-frame: handed over again at once, confirmed once', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    const put = fixture.inbound.put('one');
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    fixture.fakeServer.onReceiving = () => true;
    fixture.fakeServer.dropMidFrame();
    await waitFor('the connection to be down', () => fixture.service.state().is === 'down');
    await fixture.clock.advance(2_000);
    const [first, second] = await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    expect(second?.content.RequestId).toBe(first?.content.RequestId);
    await waitFor('an event of the message', () => put.events.length > 0);
    expect(put.events).toEqual(['confirmed']);
  });

  it('that a restart interrupts before the answer is handed over again under the same RequestId', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    fixture.inbound.put('one');
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await fixture.restart();
    fixture.fakeServer.onReceiving = () => true;
    const again = fixture.inbound.put('one');
    const [first, second] = await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    expect(second?.content.RequestId).toBe(first?.content.RequestId);
    await waitFor('the second reading to be confirmed', () => again.events.includes('confirmed'));
  });

  it('that was acknowledged while Gatepost was away is only confirmed, not sent again', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    fixture.inbound.put('one');
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await fixture.restart();
    fixture.fakeServer.acknowledge(content);
    await waitFor('a second login', () => fixture.fakeServer.logins.length === 2);
    await fixture.clock.advance(0);
    const again = fixture.inbound.put('one');
    await waitFor('the second reading to be confirmed', () => again.events.includes('confirmed'));
    expect(fixture.fakeServer.received).toHaveLength(1);
  });

  it('seen twice is handed over once', async () => {
    const first = fixture.inbound.put('one');
    await waitFor('the first message to be confirmed', () => first.events.includes('confirmed'));
    const second = fixture.inbound.put('one');
    await waitFor('the second message to be confirmed', () => second.events.includes('confirmed'));
    expect(fixture.fakeServer.received).toHaveLength(1);
  });
});

describe('a mailbox that is renumbered while a message is in flight', () => {
  it('has the message confirmed under its new key', async () => {
    const stale = async () => {
      throw new Error('UIDVALIDITY changed');
    };
    fixture.inbound.put('old-key', mail('one'), stale);
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await waitFor('the failed confirmation in the log', () => logged('confirmation failed'));
    await fixture.inbound.driverState?.rekey([{ from: 'old-key', to: 'new-key' }]);
    const shownAgain = fixture.inbound.put('new-key', mail('one'));
    await fixture.clock.advance(120_000);
    await waitFor('the message that is shown again to be confirmed', () => shownAgain.events.includes('confirmed'));
    expect(fixture.fakeServer.received).toHaveLength(1);
    expect(fixture.service.views().find((view) => view.id === IN)?.inFlight).toBe(0);
  });
});

describe('the window of unacknowledged messages', () => {
  it('stops the driver when it is full', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    for (let n = 0; n < 100; n++) fixture.inbound.put(`mail-${n}`, mail(`mail-${n}`));
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 64);
    await fixture.clock.advance(1_000);
    expect(fixture.fakeServer.received).toHaveLength(64);
    // The driver has offered one more, which waits for a slot.
    expect(fixture.inbound.taken).toBe(65);
    for (const message of [...fixture.fakeServer.received]) fixture.fakeServer.acknowledge(message);
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 100);
  });
});
