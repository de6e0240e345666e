// Text messages through the whole connector: what is pushed, what is ordered, who wants none, how far they came.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fact } from '../../test/fixtures/connector.js';
import { ANN, SMS, type SmsBed, startSmsBed } from '../../test/fixtures/sms-connector.js';
import type { OptOut } from '../journal/types/opt-outs.js';

const ID = 'aaaaaaaa-0000-4000-8000-000000000001';
const ID2 = 'aaaaaaaa-0000-4000-8000-000000000002';

let bed: SmsBed;
beforeEach(async () => {
  bed = await startSmsBed();
});
afterEach(async () => {
  expect(bed.fakeServer.violations).toEqual([]);
  await bed.close();
});

const optOuts = (): Promise<readonly OptOut[]> => bed.journal((journal) => journal.optOuts());
const stateOf = async (key: string) => (await bed.journal((journal) => journal.recordsOf(SMS, [key]))).get(key)?.state;
const answered = async (count: number) =>
  (await bed.fakeServer.waitForFrames('ES_MESSAGE_SENT', count)).map(({ content }) => content);
/** What `gatepost explain` would say of how far an outbound message has come. */
const delivery = async (id: string) => {
  const [trace] = await bed.journal((journal) => journal.traces(id));
  return trace?.ids.find(({ label }) => label === 'Delivery')?.value;
};

describe('an outbound message for a text', () => {
  it('goes out once, to the number with its country code, and is answered with the carrier’s id', async () => {
    bed.sendRequest(ID, 'Hello', '777 123 456');
    const [answer] = await answered(1);
    expect(bed.texts.sends).toHaveLength(1);
    expect(bed.texts.sends[0]?.message).toMatchObject({
      kind: 'text',
      to: ANN,
      from: '12345',
      text: 'Hello',
      encoding: 'GSM-7',
      segments: 1,
    });
    const { reference } = bed.texts.sends[0]?.message ?? {};
    expect(answer).toMatchObject({ Id: ID, RefId: SMS, Data: null, Reference: `id ${reference}` });
  });

  it('has the same reference on every attempt, also in the next process', async () => {
    bed.texts.onSend = async () => ({ kind: 'rejected', detail: 'no' });
    bed.sendRequest(ID, 'Hello');
    await answered(1);
    await bed.restart();
    bed.sendRequest(ID, 'Hello');
    await answered(2);
    const references = bed.texts.sends.map(({ message }) => message.reference);
    expect(references).toHaveLength(2);
    expect(new Set(references).size).toBe(1);
  });

  it('to what is no number is rejected with its name and costs nothing', async () => {
    bed.sendRequest(ID, 'Hello', 'ann@example.com');
    const [answer] = await answered(1);
    expect(answer.Data).toContain('ann@example.com');
    expect(bed.texts.sends).toEqual([]);
  });

  it('whose outcome is unknown is held, never sent again by itself', async () => {
    bed.texts.onSend = async () => ({ kind: 'unknown', detail: 'the line broke' });
    bed.sendRequest(ID, 'Hello');
    bed.sendRequest(ID, 'Hello');
    for (const answer of await answered(2))
      expect(answer.Data).toContain('held until an operator resolves it: the line broke');
    bed.sendRequest(ID, 'Hello');
    await answered(3);
    expect(bed.texts.sends).toHaveLength(1);
  });
});

describe('a pushed message', () => {
  it('is in the journal before the reply, and handed over after it', async () => {
    bed.fakeServer.onReceiving = () => 'silent';
    const reply = await bed.push({ providerId: 'a', text: 'Ahoj' });
    expect([reply.status, await reply.text()]).toEqual([200, 'thank you']);
    expect(await stateOf('id a')).toBe('pending');
    const { content } = await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(content).toMatchObject({ GatewayId: SMS, RemoteAddress: ANN, BodyText: 'Ahoj', DeliverySystemId: 'a' });
    bed.fakeServer.acknowledge(content);
    while ((await stateOf('id a')) !== 'confirmed') await bed.clock.advance(100);
  });

  it('that is pushed again, at once or later, is handed over once', async () => {
    const replies = await Promise.all([1, 2, 3].map(() => bed.push({ providerId: 'a', text: 'Ahoj' })));
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    while ((await stateOf('id a')) !== 'confirmed') await bed.clock.advance(100);
    expect((await bed.push({ providerId: 'a', text: 'Ahoj' })).status).toBe(200);
    await bed.clock.advance(120_000);
    expect(bed.fakeServer.received).toHaveLength(1);
  });

  it('is handed over by the next process when this one ended before the server took it, pictures and all', async () => {
    bed.fakeServer.onReceiving = () => 'silent';
    const media = [{ name: 'a.png', type: 'image/png', bytes: Buffer.from('PNG') }];
    bed.texts.onPush = async () => ({
      reply: { status: 200 },
      messages: [{ key: 'id a', fingerprint: '', content: { ...text('Ahoj'), media } }],
    });
    expect((await bed.push({})).status).toBe(200);
    const { content: first } = await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await bed.restart();
    bed.fakeServer.onReceiving = () => true;
    await bed.clock.advance(2_000);
    const second = await bed.fakeServer.waitForFrame(
      'ES_MESSAGE_RECEIVING',
      (_content, { connection }) => connection > 1,
    );
    for (const field of ['RequestId', 'DeliverySystemId', 'RemoteAddress', 'ReceivedSentTime'])
      expect([field, second.content[field]]).toEqual([field, first[field]]);
    expect(second.content.BodyText).toMatch(/^Ahoj\n[\s\S]*a\.png \(image\/png, 3 bytes\)/);
    while ((await stateOf('id a')) !== 'confirmed') await bed.clock.advance(100);
  });

  it('is accepted while the contact center is away, and waits for it', async () => {
    bed.fakeServer.accept = () => 'not now';
    bed.fakeServer.drop();
    await fact(() => bed.service.state().is !== 'up');
    expect((await bed.push({ providerId: 'a', text: 'Ahoj' })).status).toBe(200);
    bed.fakeServer.accept = () => true;
    while (bed.fakeServer.received.length === 0) await bed.clock.advance(1_000);
    expect(bed.fakeServer.received[0]).toMatchObject({ BodyText: 'Ahoj' });
  });

  it('is answered "try again" when the journal cannot take it, nothing of it stays, and the repeat is accepted', async () => {
    bed.tamper(`CREATE TRIGGER full BEFORE INSERT ON inbound_messages BEGIN SELECT RAISE(ABORT, 'disk full'); END`);
    const reply = await bed.push({ providerId: 'a', text: 'Ahoj' });
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '30']);
    expect(await stateOf('id a')).toBeUndefined();
    bed.tamper('DROP TRIGGER full');
    expect((await bed.push({ providerId: 'a', text: 'Ahoj' })).status).toBe(200);
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    await bed.clock.advance(60_000);
    expect(bed.fakeServer.received).toHaveLength(1);
  });

  it('is answered "try again" when the driver fails over it', async () => {
    bed.texts.onPush = async () => {
      throw new Error('a bug in the driver');
    };
    expect((await bed.push({})).status).toBe(503);
  });

  it('has the address that the driver is told', async () => {
    expect(bed.texts.webhookUrl).toBe(`${bed.service.http.url}/webhooks/${SMS}`);
  });
});

describe('who wants no messages', () => {
  it('is not sent any after STOP: the outbound message is rejected with that reason, before it costs anything', async () => {
    await bed.push({ providerId: 'a', text: ' Stop. ' });
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(await optOuts()).toMatchObject([{ group: SMS, address: ANN, source: 'keyword' }]);
    bed.sendRequest(ID, 'Buy now');
    const [answer] = await answered(1);
    expect(answer.Data).toMatch(/\+420777123456 has opted out \(keyword, 2026-11-22T.*\): not sent/);
    expect(bed.texts.sends).toEqual([]);
  });

  it('is sent them again after START', async () => {
    await bed.push({ providerId: 'a', text: 'STOP' });
    await bed.push({ providerId: 'b', text: 'start' });
    await bed.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    expect(await optOuts()).toEqual([]);
    bed.sendRequest(ID, 'Hello again');
    const [answer] = await answered(1);
    expect(answer.Data).toBeNull();
    expect(bed.texts.sends).toHaveLength(1);
  });

  it('is not signed up again by an old START that is read once more after a restart', async () => {
    bed.fakeServer.onReceiving = (message) => (message.BodyText === 'start' ? 'silent' : true);
    await bed.push({ providerId: 'a', text: 'STOP' });
    await bed.push({ providerId: 'b', text: 'start' });
    await bed.push({ providerId: 'c', text: 'STOP' });
    await bed.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 3);
    await bed.restart();
    while (bed.fakeServer.received.length < 4) await bed.clock.advance(500);
    expect(await optOuts()).toMatchObject([{ address: ANN }]);
  });

  it('did not say so by a word among others', async () => {
    await bed.push({ providerId: 'a', text: 'Please do not stop here' });
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(await optOuts()).toEqual([]);
  });

  it('is learned from the carrier, too, and still known after a restart', async () => {
    bed.texts.onSend = async () => ({ kind: 'rejected', detail: '21610: unsubscribed', optedOut: true });
    bed.sendRequest(ID, 'Buy now');
    expect((await answered(1))[0].Data).toBe('21610: unsubscribed');
    expect(await optOuts()).toMatchObject([
      { group: SMS, address: ANN, source: 'carrier', detail: '21610: unsubscribed' },
    ]);
    await bed.restart();
    bed.sendRequest(ID2, 'Buy now!');
    expect((await answered(2))[1].Data).toContain('has opted out (carrier');
    expect(bed.texts.sends).toHaveLength(1);
  });

  it('is told by the carrier’s own reading of a message, whatever the words', async () => {
    await bed.push({ providerId: 'a', text: 'leave me alone', consent: 'stop' });
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(await optOuts()).toMatchObject([{ address: ANN }]);
  });

  it('has opted out although the message itself could not be stored: the repeat of the push changes nothing', async () => {
    bed.tamper(`CREATE TRIGGER full BEFORE INSERT ON inbound_messages BEGIN SELECT RAISE(ABORT, 'disk full'); END`);
    expect((await bed.push({ providerId: 'a', text: 'STOP' })).status).toBe(503);
    bed.tamper('DROP TRIGGER full');
    await bed.push({ providerId: 'a', text: 'STOP' });
    await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(await optOuts()).toHaveLength(1);
  });
});

describe('how far a text has come', () => {
  const receipts = (state: 'sent' | 'delivered' | 'undelivered', id: string, detail: string | null = null) => [
    { id, state, at: bed.clock.now(), detail },
  ];

  beforeEach(async () => {
    bed.sendRequest(ID, 'Hello');
    bed.texts.onSend = async () => ({ kind: 'sent', deliverySystemId: 'carrier-1' });
    await answered(1);
  });

  it('is shown in order: sent first, delivered later, by push and by report', async () => {
    expect((await bed.push({ receipts: receipts('sent', 'carrier-1') })).status).toBe(200);
    expect(await delivery(ID)).toMatch(/^sent/);
    await bed.texts.report(receipts('delivered', 'carrier-1'));
    expect(await delivery(ID)).toMatch(/^delivered/);
  });

  it('never goes back: late, repeated and contradicting receipts change nothing', async () => {
    await bed.push({ receipts: receipts('delivered', 'carrier-1') });
    for (const state of ['sent', 'undelivered', 'delivered'] as const)
      expect((await bed.push({ receipts: receipts(state, 'carrier-1') })).status).toBe(200);
    expect(await delivery(ID)).toMatch(/^delivered/);
  });

  it('is told with the carrier’s reason when it was not delivered', async () => {
    await bed.push({ receipts: receipts('undelivered', 'carrier-1', '30003: unreachable handset') });
    expect(await delivery(ID)).toMatch(/^undelivered.*30003: unreachable handset/);
  });

  it('under an unknown id is no error: the carrier need not repeat it', async () => {
    expect((await bed.push({ receipts: receipts('delivered', 'somebody-elses') })).status).toBe(200);
    expect(await delivery(ID)).not.toMatch(/^delivered/);
  });

  it('is answered "try again" when the journal cannot take it', async () => {
    bed.tamper(`CREATE TRIGGER full BEFORE UPDATE ON delivery_parts BEGIN SELECT RAISE(ABORT, 'disk full'); END`);
    expect((await bed.push({ receipts: receipts('delivered', 'carrier-1') })).status).toBe(503);
    bed.tamper('DROP TRIGGER full');
    expect((await bed.push({ receipts: receipts('delivered', 'carrier-1') })).status).toBe(200);
    expect(await delivery(ID)).toMatch(/^delivered/);
  });
});

function text(words: string) {
  const rest = { receivedAt: bed.clock.now(), sentAt: null, media: [], notes: [] };
  return { kind: 'text' as const, from: ANN, to: '12345', text: words, providerId: 'a', ...rest };
}
