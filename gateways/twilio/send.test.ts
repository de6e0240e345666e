// What a Twilio gateway promises about messages that it sends.
import { afterEach, describe, expect, it } from 'vitest';
import type { Attempt, ComposedText, Outcome } from '../../src/driver/contract.js';
import { attemptOf, outboundText } from '../../test/conformance/context.js';
import { freePort } from '../../test/servers/process.js';
import { becoming, PUBLIC, startTimedBed, type TimedBed } from '../../test/servers/twilio-bed.js';
import { twilio } from './driver.js';
import type { Session } from './session.js';
import { watchersOf } from './watchers.js';

const TO = '+420777123456';
const MINUTE = 60_000;
const beds: TimedBed[] = [];
afterEach(async () => {
  for (let bed = beds.pop(); bed; bed = beds.pop()) await bed.close();
});

async function set(): Promise<TimedBed> {
  const bed = await startTimedBed();
  beds.push(bed);
  bed.server.fate = () => [];
  return bed;
}

function attempt({ clock }: TimedBed, messageId = 'order-1', ms = 85_000): Attempt & { abort(): void } {
  const end = clock.monotonic() + ms;
  const given = attemptOf(messageId);
  const remaining = () => (given.signal.aborted ? 0 : Math.max(0, end - clock.monotonic()));
  return { ...given, firstAttemptAt: clock.now(), remaining };
}

/** Waits until so many messages are Twilio's and remembered as such. */
async function claimed({ driverState }: TimedBed, count: number): Promise<void> {
  await becoming(async () => (await driverState.listRecords('sent', '', 10)).length === count);
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
    it(`ends with "${status}${code ? ` ${code}` : ''}", and the order hears the truth`, async () => {
      const bed = await set();
      bed.server.fate = () => [
        'sent',
        code ? { status, code, ...(code === 39999 && { text: 'something new' }) } : status,
      ];
      const session = await bed.open('O');
      const end = await bed.turn(sending(session, hello, attempt(bed)));
      expect(end).toMatchObject(outcome);
      const [message] = bed.server.account.messages;
      if (end.kind === 'sent') expect(end.deliverySystemId).toBe(message?.sid);
      expect(message).toMatchObject({ to: TO, from: bed.server.number, body: 'Hello 🐎', statusCallback: null });
    });
  }

  it('is over after AwaitDeliverySeconds, with what is known by then', async () => {
    for (const [fate, state] of [
      [[], 'accepted'],
      [['sending'], 'accepted'],
      [['sent'], 'sent'],
    ] as const) {
      const bed = await set();
      bed.server.fate = () => fate;
      const session = await bed.open('O', { AwaitDeliverySeconds: 7 });
      const began = bed.clock.now();
      expect(await bed.turn(sending(session, hello, attempt(bed)))).toMatchObject({ kind: 'sent', state });
      expect(bed.clock.now() - began).toBeGreaterThanOrEqual(7_000);
      expect(bed.clock.now() - began).toBeLessThan(20_000);
    }
  });

  it('leaves time for the answer when the attempt has little of it, and ends with it', async () => {
    const bed = await set();
    const session = await bed.open('O');
    const began = bed.clock.now();
    expect(await bed.turn(sending(session, hello, attempt(bed, 'short', 8_000)))).toMatchObject({ kind: 'sent' });
    expect(bed.clock.now() - began).toBeLessThan(8_000);
    const given = attempt(bed, 'cut');
    const cut = sending(session, outboundText('cut', TO), given);
    await claimed(bed, 2);
    given.abort();
    expect(await cut).toMatchObject({ kind: 'sent', state: 'accepted' });
  });

  it('ends at once with a pushed state', async () => {
    const bed = await set();
    const session = await bed.open('O', { Webhook: true, AwaitDeliverySeconds: 60 });
    const outcome = sending(session, hello, attempt(bed));
    await claimed(bed, 1);
    const [message] = bed.server.account.messages;
    expect(message?.statusCallback).toBe(`${PUBLIC}/status`);
    const form = { AccountSid: bed.server.accountSid, MessageSid: message?.sid ?? '', ErrorCode: '30005' };
    const { reply } = await bed.push(session, { ...form, MessageStatus: 'undelivered' }, { path: '/status' });
    expect(reply.status).toBe(204);
    expect(await outcome).toEqual({ kind: 'rejected', detail: 'undelivered 30005: Unknown destination handset' });
  });

  it('ends at once with a state that is pushed to the receiving half of the same gateway', async () => {
    const bed = await set();
    const written = { Webhook: true, AwaitDeliverySeconds: 60 };
    const receiving = await bed.open('I', written);
    const sendingHalf = await bed.open('O', written);
    const outcomes = [1, 2].map((n) =>
      sending(sendingHalf, outboundText(`Hello ${n}`, TO), attempt(bed, `order-${n}`)),
    );
    await claimed(bed, 2);
    for (const { sid, body } of bed.server.account.messages) {
      const form = { AccountSid: bed.server.accountSid, MessageSid: sid };
      const MessageStatus = body === 'Hello 1' ? 'delivered' : 'undelivered';
      const { receipts } = await bed.push(receiving, { ...form, MessageStatus }, { path: '/status' });
      expect(receipts).toMatchObject([{ id: sid, state: MessageStatus }]);
    }
    expect((await Promise.all(outcomes)).map(({ kind }) => kind)).toEqual(['sent', 'rejected']);
  });

  it('is nobody else’s to end: a state pushed for another account changes nothing', async () => {
    const bed = await set();
    const session = await bed.open('O', { Webhook: true, AwaitDeliverySeconds: 5 });
    const outcome = sending(session, hello, attempt(bed));
    await claimed(bed, 1);
    const end = { state: 'undelivered', final: true, detail: 'undelivered', note: null, optedOut: false } as const;
    watchersOf('AC_other').tell(bed.server.account.messages[0]?.sid ?? '', end);
    expect(await bed.turn(outcome)).toMatchObject({ kind: 'sent', state: 'accepted' });
  });

  it('does not mind that asking fails', async () => {
    const bed = await set();
    bed.server.fate = () => ['delivered'];
    const session = await bed.open('O');
    let asked = 0;
    bed.server.trouble = ({ method, path }) =>
      method === 'GET' && path.includes('/Messages/SM') && asked++ < 3 ? { is: 'refuse', status: 429 } : undefined;
    expect(await bed.turn(sending(session, hello, attempt(bed)))).toMatchObject({ kind: 'sent', state: 'delivered' });
  });
});

describe('what Twilio refuses', () => {
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
      const bed = await set();
      const session = await bed.open('O');
      bed.server.trouble = (request) => (created(request) ? { is: 'refuse', status, code, message } : undefined);
      const end = await bed.turn(sending(session, hello, attempt(bed)));
      expect(end).toEqual({ ...outcome, detail: expect.stringMatching(detail) });
    });
  }

  it('comes with how long to wait, in seconds or as a date', async () => {
    const bed = await set();
    const session = await bed.open('O');
    const date = new Date(Math.ceil(bed.clock.now() / 1_000) * 1_000 + 20_000);
    for (const [value, least, most] of [
      ['7', 7_000, 7_000],
      [date.toUTCString(), 10_000, 21_000],
      ['999999999', 3_600_000, 3_600_000],
    ] as const) {
      bed.server.trouble = (request) =>
        created(request) ? { is: 'refuse', status: 429, code: 20429, headers: { 'retry-after': value } } : undefined;
      const end = await bed.turn(sending(session, hello, attempt(bed)));
      const asked = end.kind === 'deferred' ? end.retryAfterMs : undefined;
      expect(asked).toBeGreaterThanOrEqual(least);
      expect(asked).toBeLessThanOrEqual(most);
    }
  });

  it('by its own magic numbers, without a message coming into being', async () => {
    const bed = await set();
    const session = await bed.open('O');
    expect(await bed.turn(sending(session, outboundText('x', '+15005550004'), attempt(bed)))).toMatchObject({
      kind: 'rejected',
      optedOut: true,
    });
    expect(bed.server.account.messages).toHaveLength(0);
  });

  it('"server error" about a message that it took all the same is no error', async () => {
    const bed = await set();
    bed.server.fate = () => ['delivered'];
    const session = await bed.open('O');
    bed.server.trouble = (request) =>
      created(request) ? { is: 'babble', status: 500, body: 'oops', taken: true } : undefined;
    const end = await bed.turn(sending(session, hello, attempt(bed)));
    expect(end).toMatchObject({ kind: 'sent', deliverySystemId: bed.server.account.messages[0]?.sid });
  });
});

describe('the point of no return', () => {
  it('before the connection stands nothing can have gone out', async () => {
    const bed = await set();
    const session = await bed.open('O');
    await bed.server.close();
    const end = await bed.turn(sending(session, hello, attempt(bed)));
    expect(end).toMatchObject({ kind: 'deferred', detail: expect.stringContaining('could not be reached') });
    beds.splice(beds.indexOf(bed), 1);
    await session.close();
    expect(await freePort()).toBeGreaterThan(0);
  });

  it('a request is never repeated, and never sent on a connection that was used before', async () => {
    const bed = await set();
    const session = await bed.open('O');
    bed.server.trouble = (request) => (created(request) ? { is: 'cut', when: 'before' } : undefined);
    expect((await bed.turn(sending(session, hello, attempt(bed)))).kind).toBe('unknown');
    expect(bed.server.requests.filter(created)).toHaveLength(1);
  });
});

describe('"did that one go out?"', () => {
  /** A send whose answer was lost after Twilio had taken it, or before. */
  async function doubt(bed: TimedBed, session: Session, taken: boolean, given: Attempt, message = hello) {
    bed.server.trouble = (request) => (created(request) ? { is: 'cut', when: taken ? 'after' : 'before' } : undefined);
    expect((await bed.turn(sending(session, message, given))).kind).toBe('unknown');
    bed.server.trouble = () => undefined;
  }

  it('is answered by recipient, text and time', async () => {
    const bed = await set();
    bed.server.fate = () => ['delivered'];
    const session = await bed.open('O');
    const given = attempt(bed);
    await doubt(bed, session, true, given);
    const [message] = bed.server.account.messages;
    expect(await bed.turn(lookingUp(session, hello, given))).toMatchObject({
      kind: 'sent',
      deliverySystemId: message?.sid,
      state: 'delivered',
    });
  });

  it('also while it is still queued, and after a restart', async () => {
    const bed = await set();
    const first = await bed.open('O', { AwaitDeliverySeconds: 0 });
    const given = attempt(bed);
    await doubt(bed, first, true, given);
    await first.close();
    await bed.jump(5 * MINUTE);
    const second = await bed.open('O', { AwaitDeliverySeconds: 0 });
    expect(await bed.turn(lookingUp(second, hello, given))).toMatchObject({ kind: 'sent', state: 'accepted' });
  });

  it('with "not found" when Twilio has no such message', async () => {
    const bed = await set();
    const session = await bed.open('O', { AwaitDeliverySeconds: 0 });
    // The same words long before; then the same words to somebody else, other words to the same one, and the same words
    // coming in from a number of our own.
    await bed.turn(sending(session, hello, attempt(bed, 'a')));
    await bed.jump(MINUTE);
    const given = attempt(bed, 'd');
    await bed.turn(sending(session, outboundText('Hello 🐎', '+420777999999'), attempt(bed, 'b')));
    await bed.turn(sending(session, outboundText('Hello', TO), attempt(bed, 'c')));
    bed.server.receive({ from: bed.server.number, to: TO, text: 'Hello 🐎' });
    await session.close();
    for (const { key } of await bed.driverState.listRecords('sent', '', 10))
      await bed.driverState.deleteRecords('sent', [key]);
    const afresh = await bed.open('O', { AwaitDeliverySeconds: 0 });
    await doubt(bed, afresh, false, given);
    expect(await bed.turn(lookingUp(afresh, hello, given))).toBe('not found');
  });

  it('never with the message of another order, also after a restart', async () => {
    const bed = await set();
    const first = await bed.open('O', { AwaitDeliverySeconds: 0 });
    expect(await bed.turn(sending(first, hello, attempt(bed, 'one')))).toMatchObject({ kind: 'sent' });
    const given = attempt(bed, 'two');
    await doubt(bed, first, false, given);
    expect(await bed.turn(lookingUp(first, hello, given))).toBe('not found');
    await first.close();
    const second = await bed.open('O', { AwaitDeliverySeconds: 0 });
    expect(await bed.turn(lookingUp(second, hello, given))).toBe('not found');
  });

  it('knows the words that a trial account puts in front', async () => {
    const bed = await set();
    const session = await bed.open('O', { AwaitDeliverySeconds: 0 });
    const given = attempt(bed);
    const trial = outboundText(`Sent from your Twilio trial account - ${hello.text}`, TO);
    await doubt(bed, session, true, given, trial);
    expect(await bed.turn(lookingUp(session, hello, given))).toMatchObject({ kind: 'sent' });
  });
});

describe('later states', () => {
  const report = (bed: TimedBed) => bed.receipts.map(({ state, detail }) => [state, detail]);

  it('are asked for until the end is known, and reported as news', async () => {
    const bed = await set();
    const session = await bed.open('O', { AwaitDeliverySeconds: 0 });
    const outcome = await bed.turn(sending(session, hello, attempt(bed)));
    const sid = outcome.kind === 'sent' ? outcome.deliverySystemId : '';
    await bed.server.advance(sid, 'sent');
    await bed.fact(() => bed.receipts.length === 1);
    await bed.server.advance(sid, 'undelivered', 30003);
    await bed.fact(() => bed.receipts.length === 2);
    expect(bed.receipts.every(({ id }) => id === sid)).toBe(true);
    expect(report(bed)).toEqual([
      ['sent', null],
      ['undelivered', '30003: Unreachable destination handset'],
    ]);
    const asked = bed.server.requests.length;
    await bed.jump(60 * MINUTE);
    expect(bed.server.requests.length).toBe(asked);
  });

  it('that are pushed are asked for only as a safety net, after ten minutes', async () => {
    const bed = await set();
    const session = await bed.open('O', { Webhook: true, AwaitDeliverySeconds: 0 });
    bed.server.reach = () => 'http://127.0.0.1:9/nobody';
    const outcome = await bed.turn(sending(session, hello, attempt(bed)));
    const asked = bed.server.requests.length;
    await bed.jump(9 * MINUTE);
    expect(bed.server.requests.length).toBe(asked);
    await bed.server.advance(outcome.kind === 'sent' ? outcome.deliverySystemId : '', 'delivered').catch(() => {});
    await bed.fact(() => bed.receipts.length === 1);
    expect(report(bed)).toEqual([['delivered', null]]);
  });

  it('of messages from before a restart, too', async () => {
    const bed = await set();
    const first = await bed.open('O', { AwaitDeliverySeconds: 0 });
    const outcome = await bed.turn(sending(first, hello, attempt(bed)));
    await first.close();
    await bed.server.advance(outcome.kind === 'sent' ? outcome.deliverySystemId : '', 'delivered');
    await bed.open('O');
    await bed.fact(() => bed.receipts.length === 1);
    expect(report(bed)).toEqual([['delivered', null]]);
  });

  it('are given up when nobody says anything for hours, and nothing is kept for ever', async () => {
    const bed = await set();
    const session = await bed.open('O', { AwaitDeliverySeconds: 0 });
    await bed.turn(sending(session, hello, attempt(bed)));
    expect(await bed.driverState.listRecords('sent', '', 10)).toHaveLength(1);
    for (let quarter = 0; quarter < 20; quarter++) await bed.jump(15 * MINUTE);
    await bed.fact(async () => (await bed.driverState.listRecords('sent', '', 10)).length === 0);
    expect(bed.clock.armed).toBe(0);
    expect(bed.receipts).toEqual([]);
  });
});

describe('senders', () => {
  it('a messaging service chooses its own', async () => {
    const bed = await set();
    const { serviceSid } = bed.server;
    const session = await bed.open('O', {
      Number: undefined,
      MessagingServiceSid: serviceSid,
      AwaitDeliverySeconds: 0,
    });
    expect(await bed.turn(sending(session, hello, attempt(bed)))).toMatchObject({ kind: 'sent' });
    expect(bed.server.account.messages[0]).toMatchObject({ from: null, serviceSid });
  });

  it('an API key does instead of the auth token', async () => {
    const bed = await set();
    const { apiKey, apiSecret } = bed.server;
    const written = { AuthToken: undefined, ApiKey: apiKey, ApiSecret: apiSecret, AwaitDeliverySeconds: 0 };
    const session = await bed.open('O', written);
    expect(await bed.turn(sending(session, hello, attempt(bed)))).toMatchObject({ kind: 'sent' });
  });
});
