import { expect, test } from 'vitest';
import { type Fixture, IN, later, OTHER_OUT, OUT, startFixture } from '../../test/fixtures/embedded-server.js';
import { rawClient } from '../../test/fixtures/simprot-raw-client.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { startEmbeddedServer } from './server.js';

const sendRequest = (store: Fixture['store'], at: number, gatewayId = OUT) =>
  store.write(({ sendRequests }) =>
    sendRequests.queue(
      {
        gatewayId,
        channel: 'Email',
        remoteAddress: 'eva@example.com',
        fromField: 'Info',
        subject: 'Re: Hello',
        bodyText: 'On its way.',
        bodyHtml: null,
        answers: null,
      },
      at,
    ),
  );

const answer = (messageId: string, changes: object = {}) => ({
  Id: messageId,
  RefId: OUT,
  Reference: null,
  Data: null,
  TimeStamp: '2026-11-22T10:00:00.000Z',
  ...changes,
});

/** Turns the clock in small steps until `predicate` holds, or 10 minutes are over. */
async function turnUntil({ clock }: Pick<Fixture, 'clock'>, predicate: () => boolean): Promise<void> {
  const end = clock.now() + 600_000;
  while (!predicate() && clock.now() < end) await clock.advance(250);
  expect(predicate()).toBe(true);
}

const eventsOf = ({ store }: Pick<Fixture, 'store'>, id: string) => store.events.of(id).map(({ text }) => text);
const state = ({ store }: Pick<Fixture, 'store'>, id: string) => store.reading.message(id)?.state;

test('a send request written by another process is sent as published, and its success is stored', async () => {
  const fixture = await startFixture();
  const connector = await fixture.client();
  const id = sendRequest(fixture.store, fixture.clock.now());
  await turnUntil(fixture, () => connector.count('SE_MESSAGE_SENDING') === 1);
  const { content, peer } = await connector.until('SE_MESSAGE_SENDING');
  expect(peer).toBe('@gatepost');
  expect(content).toEqual({
    MessageId: id,
    GatewayId: OUT,
    DeliverySystemId: expect.stringMatching(/^[a-z0-9-]{36}@[a-z.]+$/),
    FromField: 'Info',
    RemoteAddress: 'eva@example.com',
    ToField: 'eva@example.com',
    ToCcField: null,
    ToBccField: null,
    ExtendedFields: null,
    Direction: 'O',
    ReceivedSentTime: expect.stringMatching(/^2026-11-22T10:00:0\d\.\d{3}Z$/),
    DraftTime: expect.stringMatching(/Z$/),
    SubjectField: 'Re: Hello',
    BodyHtml: null,
    BodyText: 'On its way.',
    Mark: null,
    Hierarchy: null,
  });
  expect(state(fixture, id)).toBe('Sending');
  connector.send('ES_MESSAGE_SENT', answer(id, { Reference: 'real-id@relay.example.com' }));
  await waitFor('the message to be Sent', () => state(fixture, id) === 'Sent');
  expect(fixture.store.reading.message(id)?.DeliverySystemId).toBe('real-id@relay.example.com');
  expect(eventsOf(fixture, id)).toEqual([
    'queued',
    'handed to host-1 (try 1 of 4)',
    'sent as real-id@relay.example.com',
  ]);
  await fixture.clock.advance(200_000);
  expect(connector.count('SE_MESSAGE_SENDING')).toBe(1);
});

test('a success without a Reference keeps the proposed DeliverySystemId', async () => {
  const fixture = await startFixture();
  const connector = await fixture.client();
  const id = sendRequest(fixture.store, fixture.clock.now());
  const proposed = fixture.store.reading.message(id)?.DeliverySystemId;
  await turnUntil(fixture, () => connector.count('SE_MESSAGE_SENDING') === 1);
  connector.send('ES_MESSAGE_SENT', answer(id));
  await waitFor('the message to be Sent', () => state(fixture, id) === 'Sent');
  expect(fixture.store.reading.message(id)?.DeliverySystemId).toBe(proposed);
});

test('a send request not answered in 90 s is repeated three times with the same MessageId and then failed', async () => {
  const fixture = await startFixture();
  const connector = await fixture.client();
  const id = sendRequest(fixture.store, fixture.clock.now());
  const pings = { due: 0 };
  const at: number[] = [];
  const start = fixture.clock.now();
  while (fixture.clock.now() < start + 420_000) {
    if (fixture.clock.now() >= pings.due) {
      connector.send('ES_PING', null);
      pings.due = fixture.clock.now() + 15_000;
    }
    await fixture.clock.advance(250);
    if (connector.count('SE_MESSAGE_SENDING') > at.length) at.push(fixture.clock.now() - start);
  }
  const sent = connector.frames.filter(({ code }) => code === 'SE_MESSAGE_SENDING').map(({ content }) => content);
  expect(sent).toHaveLength(4);
  for (const content of sent) expect(content).toMatchObject({ MessageId: id });
  const gaps = at.slice(1).map((time, index) => time - (at[index] ?? 0));
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(90_000);
  for (const gap of gaps) expect(gap).toBeLessThanOrEqual(91_000);
  expect(state(fixture, id)).toBe('Failed');
  expect(eventsOf(fixture, id).filter((text) => text === 'no answer within 90 s')).toHaveLength(4);
  expect(eventsOf(fixture, id).at(-1)).toBe('given up after 4 tries');
});

test('an error is stored in its own words, and the send request is repeated after the pause', async () => {
  const fixture = await startFixture({ retry: { limitMs: 90_000, repeats: 1, pauseMs: 10_000 } });
  const connector = await fixture.client();
  const id = sendRequest(fixture.store, fixture.clock.now());
  await turnUntil(fixture, () => connector.count('SE_MESSAGE_SENDING') === 1);
  connector.send('ES_MESSAGE_SENT', answer(id, { Data: '550 5.1.1 no such user' }));
  await waitFor('the message to be Queued', () => state(fixture, id) === 'Queued');
  await fixture.clock.advance(9_000);
  expect(connector.count('SE_MESSAGE_SENDING')).toBe(1);
  await turnUntil(fixture, () => connector.count('SE_MESSAGE_SENDING') === 2);
  connector.send('ES_MESSAGE_SENT', answer(id, { Data: '' }));
  await waitFor('the message to be Failed', () => state(fixture, id) === 'Failed');
  expect(eventsOf(fixture, id)).toEqual([
    'queued',
    'handed to host-1 (try 1 of 2)',
    'not sent: 550 5.1.1 no such user',
    'handed to host-1 (try 2 of 2)',
    'not sent: (no reason given)',
    'given up after 2 tries',
  ]);
});

test('a success that comes late counts and stops the repeats, even after the send request was given up', async () => {
  const fixture = await startFixture({ retry: { limitMs: 5_000, repeats: 0, pauseMs: 1_000 } });
  const connector = await fixture.client();
  const id = sendRequest(fixture.store, fixture.clock.now());
  await turnUntil(fixture, () => state(fixture, id) === 'Failed');
  connector.send('ES_MESSAGE_SENT', answer(id));
  await waitFor('the message to be Sent', () => state(fixture, id) === 'Sent');
  expect(eventsOf(fixture, id).at(-1)).toBe('sent (the answer came late)');
  await fixture.clock.advance(20_000);
  expect(connector.count('SE_MESSAGE_SENDING')).toBe(1);
});

test('a second answer to one sending is noted as the fault of its connector and changes nothing', async () => {
  const fixture = await startFixture();
  const connector = await fixture.client();
  const id = sendRequest(fixture.store, fixture.clock.now());
  await turnUntil(fixture, () => connector.count('SE_MESSAGE_SENDING') === 1);
  connector.send('ES_MESSAGE_SENT', answer(id));
  connector.send('ES_MESSAGE_SENT', answer(id, { Data: 'it failed after all' }));
  await waitFor('faults to be 1', () => fixture.server.counts.faults === 1);
  expect(state(fixture, id)).toBe('Sent');
  expect(eventsOf(fixture, id).at(-1)).toBe('protocol fault of host-1: answered more often than it was asked');
});

test('an answer by a connector that was never asked, to a send request that is answered already, is a fault as well', async () => {
  const fixture = await startFixture();
  const connector = await fixture.client();
  const id = sendRequest(fixture.store, fixture.clock.now());
  await turnUntil(fixture, () => connector.count('SE_MESSAGE_SENDING') === 1);
  connector.send('ES_MESSAGE_SENT', answer(id));
  await waitFor('the message to be Sent', () => state(fixture, id) === 'Sent');
  const other = await fixture.client({ Instance: 'host-2' });
  other.send('ES_MESSAGE_SENT', answer(id, { Data: 'not from here' }));
  await waitFor('faults to be 1', () => fixture.server.counts.faults === 1);
  expect(eventsOf(fixture, id).at(-1)).toMatch(/^protocol fault of host-2/);
});

test('an error that comes after the success changes nothing', async () => {
  const fixture = await startFixture({ retry: { limitMs: 5_000, repeats: 1, pauseMs: 1_000 } });
  const connector = await fixture.client();
  const id = sendRequest(fixture.store, fixture.clock.now());
  await turnUntil(fixture, () => connector.count('SE_MESSAGE_SENDING') === 2);
  connector.send('ES_MESSAGE_SENT', answer(id));
  connector.send('ES_MESSAGE_SENT', answer(id, { Data: 'busy' }));
  await waitFor('the error', () => eventsOf(fixture, id).at(-1) === 'not sent (the answer came late): busy');
  expect(state(fixture, id)).toBe('Sent');
});

test('one answer each to two sendings is no fault', async () => {
  const fixture = await startFixture({ retry: { limitMs: 5_000, repeats: 3, pauseMs: 1_000 } });
  const connector = await fixture.client();
  const id = sendRequest(fixture.store, fixture.clock.now());
  await turnUntil(fixture, () => connector.count('SE_MESSAGE_SENDING') === 2);
  connector.send('ES_MESSAGE_SENT', answer(id));
  connector.send('ES_MESSAGE_SENT', answer(id));
  connector.send('ES_PING', null);
  await connector.until('SE_PONG');
  expect(fixture.server.counts.faults).toBe(0);
  expect(state(fixture, id)).toBe('Sent');
});

test('answers to unknown messages are ignored and counted', async () => {
  const fixture = await startFixture();
  const connector = await fixture.client();
  const waiting = sendRequest(fixture.store, fixture.clock.now(), OTHER_OUT);
  const unknown = '99999999-9999-4999-8999-999999999999';
  for (const content of [answer(unknown), answer(waiting), answer('no guid'), null, { RefId: IN }]) {
    connector.send('ES_MESSAGE_SENT', content);
  }
  await waitFor('strayAnswers to be 5', () => fixture.server.counts.strayAnswers === 5);
  expect(state(fixture, waiting)).toBe('Queued');
});

test('a send request goes to every connector of its PeerAddress and to no other', async () => {
  const fixture = await startFixture();
  const ours = await fixture.client({ Instance: 'ours', PeerAddress: ['@GatePost', '@more'] });
  const replica = await fixture.client({ Instance: 'replica' });
  const theirs = await fixture.client({ Instance: 'theirs', PeerAddress: ['@other'] });
  const id = sendRequest(fixture.store, fixture.clock.now());
  await turnUntil(fixture, () => ours.count('SE_MESSAGE_SENDING') + replica.count('SE_MESSAGE_SENDING') === 2);
  expect(eventsOf(fixture, id).at(-1)).toBe('handed to ours, replica (try 1 of 4)');
  theirs.send('ES_MESSAGE_SENT', answer(id));
  await waitFor('strayAnswers to be 1', () => fixture.server.counts.strayAnswers === 1);
  expect(state(fixture, id)).toBe('Sending');
  expect(theirs.count('SE_MESSAGE_SENDING')).toBe(0);
  replica.send('ES_MESSAGE_SENT', answer(id));
  await waitFor('the message to be Sent', () => state(fixture, id) === 'Sent');
});

test('a send request waits while no connector is logged in: it uses up no try, and one event records it', async () => {
  const fixture = await startFixture();
  const id = sendRequest(fixture.store, fixture.clock.now());
  await fixture.clock.advance(300_000);
  expect(eventsOf(fixture, id)).toEqual(['queued', 'waits: no connector for @gatepost is logged in at present']);
  const connector = await fixture.client();
  await turnUntil(fixture, () => connector.count('SE_MESSAGE_SENDING') === 1);
  expect(eventsOf(fixture, id).at(-1)).toBe('handed to host-1 (try 1 of 4)');
});

test('send requests that wait for a gateway do not hold up the others', async () => {
  const fixture = await startFixture();
  for (let n = 0; n < 60; n++) sendRequest(fixture.store, fixture.clock.now() - 1_000, OTHER_OUT);
  const id = sendRequest(fixture.store, fixture.clock.now());
  const connector = await fixture.client();
  await turnUntil(fixture, () => connector.count('SE_MESSAGE_SENDING') === 1);
  expect((await connector.until('SE_MESSAGE_SENDING')).content).toMatchObject({ MessageId: id });
});

test('a send request in flight survives a restart of the embedded server: it is neither forgotten nor sent before its time', async () => {
  const fixture = await startFixture({ retry: { limitMs: 30_000, repeats: 3, pauseMs: 1_000 } });
  const before = await fixture.client();
  const id = sendRequest(fixture.store, fixture.clock.now());
  await turnUntil(fixture, () => before.count('SE_MESSAGE_SENDING') === 1);
  await fixture.server.close();
  const second = await startEmbeddedServer(fixture.options);
  later(() => second.close());
  const after = await rawClient(second.port);
  later(() => after.close());
  after.send('ES_LOGIN', { Account: 'gatepost', Password: 'right', PeerAddress: ['@gatepost'], Instance: 'host-2' });
  await after.until('SE_LOGIN');
  await fixture.clock.advance(20_000);
  expect(after.count('SE_MESSAGE_SENDING')).toBe(0);
  // The connector was started anew as well and answers what its predecessor was asked.
  after.send('ES_MESSAGE_SENT', answer(id));
  await waitFor('the message to be Sent', () => state(fixture, id) === 'Sent');
  expect(second.counts).toEqual({ ignored: 0, strayAnswers: 0, faults: 0 });
});
