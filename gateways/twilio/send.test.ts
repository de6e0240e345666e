// What a Twilio gateway promises about messages that it sends.
import { afterEach, describe, expect, it } from 'vitest';
import type { Attempt, ComposedText, Outcome } from '../../src/driver/contract.js';
import { sharedByDevice } from '../../src/driver/shared-state.js';
import { attemptOf, outboundText } from '../../test/conformance/context.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { freePort } from '../../test/servers/process.js';
import { PUBLIC, startTimedFixture, type TimedFixture } from '../../test/servers/twilio-fixture.js';
import { twilio } from './driver.js';
import type { Session } from './session.js';
import { pendingSendsOf } from './status.js';

const TO = '+420777123456';
const MINUTE = 60_000;
const fixtures: TimedFixture[] = [];
afterEach(async () => {
  for (let fixture = fixtures.pop(); fixture; fixture = fixtures.pop()) await fixture.close();
});

async function set(): Promise<TimedFixture> {
  const fixture = await startTimedFixture();
  fixtures.push(fixture);
  fixture.server.fate = () => [];
  return fixture;
}

function attempt({ clock }: TimedFixture, messageId = 'message-1', ms = 85_000): Attempt & { abort(): void } {
  const end = clock.monotonic() + ms;
  const given = attemptOf(messageId);
  const remaining = () => (given.signal.aborted ? 0 : Math.max(0, end - clock.monotonic()));
  return { ...given, firstAttemptAt: clock.now(), remaining };
}

/** Waits until Twilio has accepted so many messages and the driver tracks them. */
async function tracked({ driverState }: TimedFixture, count: number): Promise<void> {
  const records = () => driverState.listRecords('sent', '', 10);
  await waitFor(`${count} tracked messages`, async () => (await records()).length === count);
}

const sending = (session: Session, message: ComposedText, given: Attempt): Promise<Outcome> =>
  twilio.send?.(session, message, given) ?? Promise.reject(new Error('no send'));
const lookingUp = (session: Session, message: ComposedText, given: Attempt): Promise<Outcome | 'not found'> =>
  twilio.lookup?.(session, message, given) ?? Promise.reject(new Error('no lookup'));

const hello = outboundText('Hello 🐎', TO);
const created = ({ method }: { method: string }) => method === 'POST';

describe('the wait for the carrier', () => {
  const fates: [status: string, code: number | undefined, outcome: object][] = [
    ['delivered', undefined, { kind: 'sent', state: 'delivered' }],
    ['read', undefined, { kind: 'sent', state: 'delivered' }],
    ['undelivered', 30003, { kind: 'rejected', detail: 'undelivered 30003: Unreachable destination handset' }],
    ['undelivered', undefined, { kind: 'rejected', detail: 'undelivered' }],
    ['failed', 30007, { kind: 'rejected', detail: 'failed 30007: Filtered by the carrier' }],
    ['failed', 21610, { kind: 'rejected', detail: 'failed 21610: The recipient has opted out', optedOut: true }],
    ['undelivered', 39999, { kind: 'rejected', detail: 'undelivered 39999: something new' }],
  ];
  for (const [status, code, outcome] of fates) {
    it(`ends with "${status}${code ? ` ${code}` : ''}", and the answer contains it`, async () => {
      const fixture = await set();
      fixture.server.fate = () => [
        'sent',
        code ? { status, code, ...(code === 39999 && { text: 'something new' }) } : status,
      ];
      const session = await fixture.open('O');
      const end = await fixture.turn(sending(session, hello, attempt(fixture)));
      expect(end).toMatchObject(outcome);
      const [message] = fixture.server.account.messages;
      if (end.kind === 'sent') expect(end.deliverySystemId).toBe(message?.sid);
      expect(message).toMatchObject({ to: TO, from: fixture.server.number, body: 'Hello 🐎', statusCallback: null });
    });
  }

  it('is over after AwaitDeliverySeconds, with what is known by then', async () => {
    for (const [fate, state] of [
      [[], 'accepted'],
      [['sending'], 'accepted'],
      [['sent'], 'sent'],
    ] as const) {
      const fixture = await set();
      fixture.server.fate = () => fate;
      const session = await fixture.open('O', { AwaitDeliverySeconds: 7 });
      const began = fixture.clock.now();
      expect(await fixture.turn(sending(session, hello, attempt(fixture)))).toMatchObject({ kind: 'sent', state });
      expect(fixture.clock.now() - began).toBeGreaterThanOrEqual(7_000);
      expect(fixture.clock.now() - began).toBeLessThan(20_000);
    }
  });

  it('leaves time for the answer when the attempt has little of it, and ends with it', async () => {
    const fixture = await set();
    const session = await fixture.open('O');
    const began = fixture.clock.now();
    expect(await fixture.turn(sending(session, hello, attempt(fixture, 'short', 8_000)))).toMatchObject({
      kind: 'sent',
    });
    expect(fixture.clock.now() - began).toBeLessThan(8_000);
    const given = attempt(fixture, 'cut');
    const cut = sending(session, outboundText('cut', TO), given);
    await tracked(fixture, 2);
    given.abort();
    expect(await cut).toMatchObject({ kind: 'sent', state: 'accepted' });
  });

  it('ends at once with a pushed state', async () => {
    const fixture = await set();
    const session = await fixture.open('O', { Webhook: true, AwaitDeliverySeconds: 60 });
    const outcome = sending(session, hello, attempt(fixture));
    await tracked(fixture, 1);
    const [message] = fixture.server.account.messages;
    expect(message?.statusCallback).toBe(`${PUBLIC}/status`);
    const form = { AccountSid: fixture.server.accountSid, MessageSid: message?.sid ?? '', ErrorCode: '30005' };
    const { reply } = await fixture.push(session, { ...form, MessageStatus: 'undelivered' }, { path: '/status' });
    expect(reply.status).toBe(204);
    expect(await outcome).toEqual({ kind: 'rejected', detail: 'undelivered 30005: Unknown destination handset' });
  });

  it('ends at once with a state that is pushed to the receiving half of the same gateway', async () => {
    const fixture = await set();
    const written = { Webhook: true, AwaitDeliverySeconds: 60 };
    const receiving = await fixture.open('I', written);
    const sendingHalf = await fixture.open('O', written);
    const outcomes = [1, 2].map((n) =>
      sending(sendingHalf, outboundText(`Hello ${n}`, TO), attempt(fixture, `message-${n}`)),
    );
    await tracked(fixture, 2);
    for (const { sid, body } of fixture.server.account.messages) {
      const form = { AccountSid: fixture.server.accountSid, MessageSid: sid };
      const MessageStatus = body === 'Hello 1' ? 'delivered' : 'undelivered';
      const { receipts } = await fixture.push(receiving, { ...form, MessageStatus }, { path: '/status' });
      expect(receipts).toMatchObject([{ id: sid, state: MessageStatus }]);
    }
    expect((await Promise.all(outcomes)).map(({ kind }) => kind)).toEqual(['sent', 'rejected']);
  });

  it('is shared by the gateways of one service, not by two services in one process', async () => {
    const fixture = await set();
    const { context } = await fixture.open('O');
    expect(pendingSendsOf({ ...context })).toBe(pendingSendsOf(context));
    const otherService = { ...context, shared: sharedByDevice()('Twilio') };
    expect(pendingSendsOf(otherService)).not.toBe(pendingSendsOf(context));
  });

  it('does not end with a state that is pushed for another account', async () => {
    const fixture = await set();
    const session = await fixture.open('O', { Webhook: true, AwaitDeliverySeconds: 5 });
    const outcome = sending(session, hello, attempt(fixture));
    await tracked(fixture, 1);
    const end = {
      state: 'undelivered',
      final: true,
      rank: 3,
      detail: 'undelivered',
      note: null,
      optedOut: false,
    } as const;
    const other = { ...session.context, settings: { ...session.context.settings, AccountSid: 'AC_other' } };
    pendingSendsOf(other).report(fixture.server.account.messages[0]?.sid ?? '', end);
    expect(await fixture.turn(outcome)).toMatchObject({ kind: 'sent', state: 'accepted' });
  });

  it('goes on when a poll fails', async () => {
    const fixture = await set();
    fixture.server.fate = () => ['delivered'];
    const session = await fixture.open('O');
    let asked = 0;
    fixture.server.trouble = ({ method, path }) =>
      method === 'GET' && path.includes('/Messages/SM') && asked++ < 3 ? { is: 'refuse', status: 429 } : undefined;
    expect(await fixture.turn(sending(session, hello, attempt(fixture)))).toMatchObject({
      kind: 'sent',
      state: 'delivered',
    });
  });
});

describe('what Twilio rejects', () => {
  const refusals: [status: number, code: number, message: string, outcome: object][] = [
    [
      400,
      21211,
      "The 'To' number 1 is not a valid phone number.",
      { kind: 'rejected', detail: /^21211: Invalid recipient number/ },
    ],
    [400, 21614, '', { kind: 'rejected', detail: /^21614: The recipient is not a mobile number/ }],
    [400, 21612, '', { kind: 'rejected', detail: /^21612: / }],
    [400, 21610, '', { kind: 'rejected', detail: /^21610: The recipient has opted out/, optedOut: true }],
    [403, 21408, '', { kind: 'rejected', detail: /^21408: / }],
    [400, 21999, 'Something that is new', { kind: 'rejected', detail: /^21999: Something that is new$/ }],
    [400, 0, '', { kind: 'rejected', detail: /400/ }],
    [401, 20003, 'Authenticate', { kind: 'deferred', detail: /^20003: Permission denied/ }],
    [401, 0, '', { kind: 'deferred', detail: /401/ }],
    [403, 20005, '', { kind: 'deferred', detail: /^20005: The account is not active/ }],
    [429, 20429, '', { kind: 'deferred', detail: /^20429: Too many requests/ }],
    [429, 0, '', { kind: 'deferred', detail: /429/ }],
    [400, 21611, '', { kind: 'deferred', detail: /^21611: / }],
    [500, 20500, '', { kind: 'deferred', detail: /^20500/ }],
    [502, 0, 'Bad gateway', { kind: 'deferred', detail: /502: Bad gateway/ }],
    [302, 0, '', { kind: 'deferred', detail: /302/ }],
  ];
  for (const [status, code, message, { detail, ...outcome }] of refusals.map(
    ([status, code, message, outcome]) => [status, code, message, { detail: /./, ...outcome }] as const,
  )) {
    it(`${status} ${code || ''}: ${JSON.stringify(outcome)}, with the code and its meaning`, async () => {
      const fixture = await set();
      const session = await fixture.open('O');
      fixture.server.trouble = (request) => (created(request) ? { is: 'refuse', status, code, message } : undefined);
      const end = await fixture.turn(sending(session, hello, attempt(fixture)));
      expect(end).toEqual({ ...outcome, detail: expect.stringMatching(detail) });
    });
  }

  it('comes with how long to wait, in seconds or as a date', async () => {
    const fixture = await set();
    const session = await fixture.open('O');
    const date = new Date(Math.ceil(fixture.clock.now() / 1_000) * 1_000 + 20_000);
    for (const [value, least, most] of [
      ['7', 7_000, 7_000],
      [date.toUTCString(), 10_000, 21_000],
      ['999999999', 3_600_000, 3_600_000],
    ] as const) {
      fixture.server.trouble = (request) =>
        created(request) ? { is: 'refuse', status: 429, code: 20429, headers: { 'retry-after': value } } : undefined;
      const end = await fixture.turn(sending(session, hello, attempt(fixture)));
      const asked = end.kind === 'deferred' ? end.retryAfterMs : undefined;
      expect(asked).toBeGreaterThanOrEqual(least);
      expect(asked).toBeLessThanOrEqual(most);
    }
  });

  it('by its own magic numbers, without creating a message', async () => {
    const fixture = await set();
    const session = await fixture.open('O');
    expect(await fixture.turn(sending(session, outboundText('x', '+15005550004'), attempt(fixture)))).toMatchObject({
      kind: 'rejected',
      optedOut: true,
    });
    expect(fixture.server.account.messages).toHaveLength(0);
  });

  it('"server error" for a message that it accepted all the same is no error', async () => {
    const fixture = await set();
    fixture.server.fate = () => ['delivered'];
    const session = await fixture.open('O');
    fixture.server.trouble = (request) =>
      created(request) ? { is: 'babble', status: 500, body: 'oops', accepted: true } : undefined;
    const end = await fixture.turn(sending(session, hello, attempt(fixture)));
    expect(end).toMatchObject({ kind: 'sent', deliverySystemId: fixture.server.account.messages[0]?.sid });
  });
});

describe('the point of no return', () => {
  it('before the connection is open, surely nothing was sent', async () => {
    const fixture = await set();
    const session = await fixture.open('O');
    await fixture.server.close();
    const end = await fixture.turn(sending(session, hello, attempt(fixture)));
    expect(end).toMatchObject({ kind: 'deferred', detail: expect.stringContaining('could not be reached') });
    fixtures.splice(fixtures.indexOf(fixture), 1);
    await session.close();
    expect(await freePort()).toBeGreaterThan(0);
  });

  it('a request is never repeated, and never sent on a connection that was used before', async () => {
    const fixture = await set();
    const session = await fixture.open('O');
    fixture.server.trouble = (request) => (created(request) ? { is: 'cut', when: 'before' } : undefined);
    expect((await fixture.turn(sending(session, hello, attempt(fixture)))).kind).toBe('unknown');
    expect(fixture.server.requests.filter(created)).toHaveLength(1);
  });
});

describe('the lookup of an unknown outcome', () => {
  /** A send whose answer was lost after Twilio had accepted it, or before. */
  async function leaveUnknown(
    fixture: TimedFixture,
    session: Session,
    accepted: boolean,
    given: Attempt,
    message = hello,
  ) {
    fixture.server.trouble = (request) =>
      created(request) ? { is: 'cut', when: accepted ? 'after' : 'before' } : undefined;
    expect((await fixture.turn(sending(session, message, given))).kind).toBe('unknown');
    fixture.server.trouble = () => undefined;
  }

  it('finds the message by recipient, text and time', async () => {
    const fixture = await set();
    fixture.server.fate = () => ['delivered'];
    const session = await fixture.open('O');
    const given = attempt(fixture);
    await leaveUnknown(fixture, session, true, given);
    const [message] = fixture.server.account.messages;
    expect(await fixture.turn(lookingUp(session, hello, given))).toMatchObject({
      kind: 'sent',
      deliverySystemId: message?.sid,
      state: 'delivered',
    });
  });

  it('finds it also while it is queued, and after a restart', async () => {
    const fixture = await set();
    const first = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    const given = attempt(fixture);
    await leaveUnknown(fixture, first, true, given);
    await first.close();
    await fixture.jump(5 * MINUTE);
    const second = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    expect(await fixture.turn(lookingUp(second, hello, given))).toMatchObject({ kind: 'sent', state: 'accepted' });
  });

  it('is "not found" when Twilio has no such message', async () => {
    const fixture = await set();
    const session = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    // The same words long before; then the same words to another recipient, other words to the same one, and the same words
    // coming in from a number of our own.
    await fixture.turn(sending(session, hello, attempt(fixture, 'a')));
    await fixture.jump(MINUTE);
    const given = attempt(fixture, 'd');
    await fixture.turn(sending(session, outboundText('Hello 🐎', '+420777999999'), attempt(fixture, 'b')));
    await fixture.turn(sending(session, outboundText('Hello', TO), attempt(fixture, 'c')));
    fixture.server.receive({ from: fixture.server.number, to: TO, text: 'Hello 🐎' });
    await session.close();
    for (const { key } of await fixture.driverState.listRecords('sent', '', 10))
      await fixture.driverState.deleteRecords('sent', [key]);
    const afresh = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    await leaveUnknown(fixture, afresh, false, given);
    expect(await fixture.turn(lookingUp(afresh, hello, given))).toBe('not found');
  });

  it('never finds the message of another send request, also after a restart', async () => {
    const fixture = await set();
    const first = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    expect(await fixture.turn(sending(first, hello, attempt(fixture, 'one')))).toMatchObject({ kind: 'sent' });
    const given = attempt(fixture, 'two');
    await leaveUnknown(fixture, first, false, given);
    expect(await fixture.turn(lookingUp(first, hello, given))).toBe('not found');
    await first.close();
    const second = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    expect(await fixture.turn(lookingUp(second, hello, given))).toBe('not found');
  });

  it('never finds the message of a send request that version 0.1 recorded', async () => {
    const fixture = await set();
    const first = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    const outcome = await fixture.turn(sending(first, hello, attempt(fixture, 'one')));
    await first.close();
    const sid = outcome.kind === 'sent' ? outcome.deliverySystemId : '';
    await fixture.driverState.deleteRecords('sent', [sid]);
    const value = { order: 'one', at: fixture.clock.now() };
    await fixture.driverState.putRecords('sent', [{ key: sid, value }]);
    const second = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    expect(await fixture.turn(lookingUp(second, hello, attempt(fixture, 'two')))).toBe('not found');
    expect(await fixture.turn(lookingUp(second, hello, attempt(fixture, 'one')))).toMatchObject({ kind: 'sent' });
  });

  it('recognizes the text that a trial account puts in front', async () => {
    const fixture = await set();
    const session = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    const given = attempt(fixture);
    const trial = outboundText(`Sent from your Twilio trial account - ${hello.text}`, TO);
    await leaveUnknown(fixture, session, true, given, trial);
    expect(await fixture.turn(lookingUp(session, hello, given))).toMatchObject({ kind: 'sent' });
  });
});

describe('later states', () => {
  const report = (fixture: TimedFixture) => fixture.receipts.map(({ state, detail }) => [state, detail]);

  it('are polled until the final one, and reported as receipts', async () => {
    const fixture = await set();
    const session = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    const outcome = await fixture.turn(sending(session, hello, attempt(fixture)));
    const sid = outcome.kind === 'sent' ? outcome.deliverySystemId : '';
    await fixture.server.advance(sid, 'sent');
    await fixture.waitFor('one receipt', () => fixture.receipts.length === 1);
    await fixture.server.advance(sid, 'undelivered', 30003);
    await fixture.waitFor('two receipts', () => fixture.receipts.length === 2);
    expect(fixture.receipts.every(({ id }) => id === sid)).toBe(true);
    expect(report(fixture)).toEqual([
      ['sent', null],
      ['undelivered', '30003: Unreachable destination handset'],
    ]);
    const asked = fixture.server.requests.length;
    await fixture.jump(60 * MINUTE);
    expect(fixture.server.requests.length).toBe(asked);
  });

  it('that are pushed are polled only as a safety net, after ten minutes', async () => {
    const fixture = await set();
    const session = await fixture.open('O', { Webhook: true, AwaitDeliverySeconds: 0 });
    fixture.server.reach = () => 'http://127.0.0.1:9/closed';
    const outcome = await fixture.turn(sending(session, hello, attempt(fixture)));
    const asked = fixture.server.requests.length;
    await fixture.jump(9 * MINUTE);
    expect(fixture.server.requests.length).toBe(asked);
    await fixture.server.advance(outcome.kind === 'sent' ? outcome.deliverySystemId : '', 'delivered').catch(() => {});
    await fixture.waitFor('one receipt', () => fixture.receipts.length === 1);
    expect(report(fixture)).toEqual([['delivered', null]]);
  });

  it('of messages from before a restart, too', async () => {
    const fixture = await set();
    const first = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    const outcome = await fixture.turn(sending(first, hello, attempt(fixture)));
    await first.close();
    await fixture.server.advance(outcome.kind === 'sent' ? outcome.deliverySystemId : '', 'delivered');
    await fixture.open('O');
    await fixture.waitFor('one receipt', () => fixture.receipts.length === 1);
    expect(report(fixture)).toEqual([['delivered', null]]);
  });

  it('are not polled any more after hours without a report, and their records are deleted', async () => {
    const fixture = await set();
    const session = await fixture.open('O', { AwaitDeliverySeconds: 0 });
    await fixture.turn(sending(session, hello, attempt(fixture)));
    expect(await fixture.driverState.listRecords('sent', '', 10)).toHaveLength(1);
    for (let quarter = 0; quarter < 20; quarter++) await fixture.jump(15 * MINUTE);
    const records = () => fixture.driverState.listRecords('sent', '', 10);
    await fixture.waitFor('no tracked message', async () => (await records()).length === 0);
    expect(fixture.clock.armed).toBe(0);
    expect(fixture.receipts).toEqual([]);
  });
});

describe('senders', () => {
  it('a messaging service chooses its own', async () => {
    const fixture = await set();
    const { serviceSid } = fixture.server;
    const session = await fixture.open('O', {
      Number: undefined,
      MessagingServiceSid: serviceSid,
      AwaitDeliverySeconds: 0,
    });
    expect(await fixture.turn(sending(session, hello, attempt(fixture)))).toMatchObject({ kind: 'sent' });
    expect(fixture.server.account.messages[0]).toMatchObject({ from: null, serviceSid });
  });

  it('an API key replaces the auth token', async () => {
    const fixture = await set();
    const { apiKey, apiSecret } = fixture.server;
    const written = { AuthToken: undefined, ApiKey: apiKey, ApiSecret: apiSecret, AwaitDeliverySeconds: 0 };
    const session = await fixture.open('O', written);
    expect(await fixture.turn(sending(session, hello, attempt(fixture)))).toMatchObject({ kind: 'sent' });
  });
});
