// Text messages through the whole connector: pushed messages, send requests, opt-outs and delivery receipts.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ANN, SMS, type SmsFixture, startSmsFixture } from '../../../test/fixtures/sms-connector.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import type { OptOut } from '../../journal/types/opt-outs.js';

const ID = 'aaaaaaaa-0000-4000-8000-000000000001';
const ID2 = 'aaaaaaaa-0000-4000-8000-000000000002';

let fixture: SmsFixture;
beforeEach(async () => {
  fixture = await startSmsFixture();
});
afterEach(async () => {
  expect(fixture.fakeServer.violations).toEqual([]);
  await fixture.close();
});

const optOuts = (): Promise<readonly OptOut[]> => fixture.journal((journal) => journal.optOuts());
const stateOf = async (key: string) =>
  (await fixture.journal((journal) => journal.recordsOf(SMS, [key]))).get(key)?.state;
const answered = async (count: number) =>
  (await fixture.fakeServer.waitForFrames('ES_MESSAGE_SENT', count)).map(({ content }) => content);
/** The delivery state that `gatepost trace` shows of an outbound message. */
const delivery = async (id: string) => {
  const [trace] = await fixture.journal((journal) => journal.traces(id));
  return trace?.ids.find(({ label }) => label === 'Delivery')?.value;
};

describe('an outbound message for a text', () => {
  it('goes out once, to the number with its country code, and is answered with the carrier’s id', async () => {
    fixture.sendRequest(ID, 'Hello', '777 123 456');
    const [answer] = await answered(1);
    expect(fixture.texts.sends).toHaveLength(1);
    expect(fixture.texts.sends[0]?.message).toMatchObject({
      kind: 'text',
      to: ANN,
      from: '12345',
      text: 'Hello',
      encoding: 'GSM-7',
      segments: 1,
    });
    const { reference } = fixture.texts.sends[0]?.message ?? {};
    expect(answer).toMatchObject({ Id: ID, RefId: SMS, Data: null, Reference: `id ${reference}` });
  });

  it('has the same reference on every attempt, also in the next process', async () => {
    fixture.texts.onSend = async () => ({ kind: 'rejected', detail: 'no' });
    fixture.sendRequest(ID, 'Hello');
    await answered(1);
    await fixture.restart();
    fixture.sendRequest(ID, 'Hello');
    await answered(2);
    const references = fixture.texts.sends.map(({ message }) => message.reference);
    expect(references).toHaveLength(2);
    expect(new Set(references).size).toBe(1);
  });

  it('to an invalid number is rejected with that number and costs nothing', async () => {
    fixture.sendRequest(ID, 'Hello', 'ann@example.com');
    const [answer] = await answered(1);
    expect(answer.Data).toContain('ann@example.com');
    expect(fixture.texts.sends).toEqual([]);
  });

  it('whose outcome is unknown is held, never sent again by itself', async () => {
    fixture.texts.onSend = async () => ({ kind: 'unknown', detail: 'the line broke' });
    fixture.sendRequest(ID, 'Hello');
    fixture.sendRequest(ID, 'Hello');
    for (const answer of await answered(2))
      expect(answer.Data).toContain('held until an operator resolves it: the line broke');
    fixture.sendRequest(ID, 'Hello');
    await answered(3);
    expect(fixture.texts.sends).toHaveLength(1);
  });
});

describe('a pushed message', () => {
  it('is in the journal before the reply, and handed over after it', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    const reply = await fixture.push({ providerId: 'a', text: 'Ahoj' });
    expect([reply.status, await reply.text()]).toEqual([200, 'thank you']);
    expect(await stateOf('id a')).toBe('pending');
    const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(content).toMatchObject({ GatewayId: SMS, RemoteAddress: ANN, BodyText: 'Ahoj', DeliverySystemId: 'a' });
    fixture.fakeServer.acknowledge(content);
    while ((await stateOf('id a')) !== 'confirmed') await fixture.clock.advance(100);
  });

  it('that is pushed again, at once or later, is handed over once', async () => {
    const replies = await Promise.all([1, 2, 3].map(() => fixture.push({ providerId: 'a', text: 'Ahoj' })));
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    while ((await stateOf('id a')) !== 'confirmed') await fixture.clock.advance(100);
    expect((await fixture.push({ providerId: 'a', text: 'Ahoj' })).status).toBe(200);
    await fixture.clock.advance(120_000);
    expect(fixture.fakeServer.received).toHaveLength(1);
  });

  it('is handed over by the next process when this one ended before the server accepted it, pictures included', async () => {
    fixture.fakeServer.onReceiving = () => 'silent';
    const media = [{ name: 'a.png', type: 'image/png', bytes: Buffer.from('PNG') }];
    fixture.texts.onPush = async () => ({
      reply: { status: 200 },
      messages: [{ key: 'id a', fingerprint: '', content: { ...text('Ahoj'), media } }],
    });
    expect((await fixture.push({})).status).toBe(200);
    const { content: first } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await fixture.restart();
    fixture.fakeServer.onReceiving = () => true;
    await fixture.clock.advance(2_000);
    const second = await fixture.fakeServer.waitForFrame(
      'ES_MESSAGE_RECEIVING',
      (_content, { connection }) => connection > 1,
    );
    for (const field of ['RequestId', 'DeliverySystemId', 'RemoteAddress', 'ReceivedSentTime'])
      expect([field, second.content[field]]).toEqual([field, first[field]]);
    expect(second.content.BodyText).toMatch(/^Ahoj\n[\s\S]*a\.png \(image\/png, 3 bytes\)/);
    while ((await stateOf('id a')) !== 'confirmed') await fixture.clock.advance(100);
  });

  it('is accepted while the contact center is away, and waits for it', async () => {
    fixture.fakeServer.accept = () => 'not now';
    fixture.fakeServer.drop();
    await waitFor('the connection to be lost', () => fixture.service.state().is !== 'up');
    expect((await fixture.push({ providerId: 'a', text: 'Ahoj' })).status).toBe(200);
    fixture.fakeServer.accept = () => true;
    while (fixture.fakeServer.received.length === 0) await fixture.clock.advance(1_000);
    expect(fixture.fakeServer.received[0]).toMatchObject({ BodyText: 'Ahoj' });
  });

  it('is answered "try again" when the journal cannot take it, nothing of it stays, and the repeat is accepted', async () => {
    fixture.tamper(`CREATE TRIGGER full BEFORE INSERT ON inbound_messages BEGIN SELECT RAISE(ABORT, 'disk full'); END`);
    const reply = await fixture.push({ providerId: 'a', text: 'Ahoj' });
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '30']);
    expect(await stateOf('id a')).toBeUndefined();
    fixture.tamper('DROP TRIGGER full');
    expect((await fixture.push({ providerId: 'a', text: 'Ahoj' })).status).toBe(200);
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await fixture.clock.advance(60_000);
    expect(fixture.fakeServer.received).toHaveLength(1);
  });

  it('is answered "try again" when the driver fails over it', async () => {
    fixture.texts.onPush = async () => {
      throw new Error('a bug in the driver');
    };
    expect((await fixture.push({})).status).toBe(503);
  });

  it('has the address that the driver is told', async () => {
    expect(fixture.texts.webhookUrl).toBe(`${fixture.service.http.url}/webhooks/${SMS}`);
  });
});

describe('a recipient who opts out', () => {
  it('with STOP is sent nothing more: the outbound message is rejected with that reason, before it costs anything', async () => {
    await fixture.push({ providerId: 'a', text: ' Stop. ' });
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(await optOuts()).toMatchObject([{ group: SMS, address: ANN, source: 'keyword' }]);
    fixture.sendRequest(ID, 'Buy now');
    const [answer] = await answered(1);
    expect(answer.Data).toMatch(/\+420777123456 has opted out \(keyword, 2026-11-22T.*\): not sent/);
    expect(fixture.texts.sends).toEqual([]);
  });

  it('is sent messages again after START', async () => {
    await fixture.push({ providerId: 'a', text: 'STOP' });
    await fixture.push({ providerId: 'b', text: 'start' });
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    expect(await optOuts()).toEqual([]);
    fixture.sendRequest(ID, 'Hello again');
    const [answer] = await answered(1);
    expect(answer.Data).toBeNull();
    expect(fixture.texts.sends).toHaveLength(1);
  });

  it('is not opted in again by an old START that is read once more after a restart', async () => {
    fixture.fakeServer.onReceiving = (message) => (message.BodyText === 'start' ? 'silent' : true);
    await fixture.push({ providerId: 'a', text: 'STOP' });
    await fixture.push({ providerId: 'b', text: 'start' });
    await fixture.push({ providerId: 'c', text: 'STOP' });
    await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 3);
    await fixture.restart();
    while (fixture.fakeServer.received.length < 4) await fixture.clock.advance(500);
    expect(await optOuts()).toMatchObject([{ address: ANN }]);
  });

  it('does not do so by a word among others', async () => {
    await fixture.push({ providerId: 'a', text: 'Please do not stop here' });
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(await optOuts()).toEqual([]);
  });

  it('at the carrier is opted out here, too, also after a restart', async () => {
    fixture.texts.onSend = async () => ({ kind: 'rejected', detail: '21610: unsubscribed', optedOut: true });
    fixture.sendRequest(ID, 'Buy now');
    expect((await answered(1))[0].Data).toBe('21610: unsubscribed');
    expect(await optOuts()).toMatchObject([
      { group: SMS, address: ANN, source: 'carrier', detail: '21610: unsubscribed' },
    ]);
    await fixture.restart();
    fixture.sendRequest(ID2, 'Buy now!');
    expect((await answered(2))[1].Data).toContain('has opted out (carrier');
    expect(fixture.texts.sends).toHaveLength(1);
  });

  it('by the carrier’s own reading of a message is opted out, whatever the words', async () => {
    await fixture.push({ providerId: 'a', text: 'leave me alone', consent: 'stop' });
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(await optOuts()).toMatchObject([{ address: ANN }]);
  });

  it('is opted out although the message itself could not be stored: the repeat of the push changes nothing', async () => {
    fixture.tamper(`CREATE TRIGGER full BEFORE INSERT ON inbound_messages BEGIN SELECT RAISE(ABORT, 'disk full'); END`);
    expect((await fixture.push({ providerId: 'a', text: 'STOP' })).status).toBe(503);
    fixture.tamper('DROP TRIGGER full');
    await fixture.push({ providerId: 'a', text: 'STOP' });
    await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(await optOuts()).toHaveLength(1);
  });
});

describe('the delivery state of a text', () => {
  const receipts = (state: 'sent' | 'delivered' | 'undelivered', id: string, detail: string | null = null) => [
    { id, state, at: fixture.clock.now(), detail },
  ];

  beforeEach(async () => {
    fixture.sendRequest(ID, 'Hello');
    fixture.texts.onSend = async () => ({ kind: 'sent', deliverySystemId: 'carrier-1' });
    await answered(1);
  });

  it('is shown in order: sent first, delivered later, by push and by report', async () => {
    expect((await fixture.push({ receipts: receipts('sent', 'carrier-1') })).status).toBe(200);
    expect(await delivery(ID)).toMatch(/^sent/);
    await fixture.texts.report(receipts('delivered', 'carrier-1'));
    expect(await delivery(ID)).toMatch(/^delivered/);
  });

  it('never goes back: late, repeated and contradicting receipts change nothing', async () => {
    await fixture.push({ receipts: receipts('delivered', 'carrier-1') });
    for (const state of ['sent', 'undelivered', 'delivered'] as const)
      expect((await fixture.push({ receipts: receipts(state, 'carrier-1') })).status).toBe(200);
    expect(await delivery(ID)).toMatch(/^delivered/);
  });

  it('is told with the carrier’s reason when it was not delivered', async () => {
    await fixture.push({ receipts: receipts('undelivered', 'carrier-1', '30003: unreachable handset') });
    expect(await delivery(ID)).toMatch(/^undelivered.*30003: unreachable handset/);
  });

  it('under an unknown id is no error: the carrier need not repeat it', async () => {
    expect((await fixture.push({ receipts: receipts('delivered', 'somebody-elses') })).status).toBe(200);
    expect(await delivery(ID)).not.toMatch(/^delivered/);
  });

  it('is answered "try again" when the journal cannot take it', async () => {
    fixture.tamper(`CREATE TRIGGER full BEFORE UPDATE ON delivery_parts BEGIN SELECT RAISE(ABORT, 'disk full'); END`);
    expect((await fixture.push({ receipts: receipts('delivered', 'carrier-1') })).status).toBe(503);
    fixture.tamper('DROP TRIGGER full');
    expect((await fixture.push({ receipts: receipts('delivered', 'carrier-1') })).status).toBe(200);
    expect(await delivery(ID)).toMatch(/^delivered/);
  });
});

function text(words: string) {
  const rest = { receivedAt: fixture.clock.now(), sentAt: null, media: [], notes: [] };
  return { kind: 'text' as const, from: ANN, to: '12345', text: words, providerId: 'a', ...rest };
}
