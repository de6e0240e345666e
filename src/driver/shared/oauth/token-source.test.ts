import { describe, expect, it } from 'vitest';
import { manualClock } from '../../../../test/fixtures/manual-clock.js';
import { silentLog } from '../../../kit/log.js';
import { type Grant, OAuthFailure } from './grants.js';
import { tokenSource } from './token-source.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const never = () => new AbortController().signal;

/** A provider whose answers the test gives one by one. */
function provider(canStore = true) {
  const waiting: { resolve: (grant: Grant) => void; reject: (error: unknown) => void }[] = [];
  const asked: (string | undefined)[] = [];
  let stored: string | undefined;
  const clock = manualClock();
  const source = tokenSource({
    clock,
    log: silentLog,
    request(refreshToken) {
      asked.push(refreshToken);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    store: {
      get: async () => stored,
      put: async (token) => {
        if (!canStore) throw new Error('the disk is full');
        stored = token;
      },
    },
  });
  const next = async () => {
    await settle();
    const first = waiting.shift();
    if (!first) throw new Error('nothing was requested');
    return first;
  };
  return {
    clock,
    source,
    asked,
    stored: () => stored,
    token: () => source.token(never()),
    give: async (accessToken: string, more: Partial<Grant> = {}) =>
      (await next()).resolve({ accessToken, validMs: HOUR, ...more }),
    fail: async (error: unknown) => (await next()).reject(error),
  };
}

const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
};
const refusal = new OAuthFailure(true, 'login.example refuses a token: invalid_grant', { advice: 'x', cause: null });
const outage = (retryAfterMs?: number) =>
  new OAuthFailure(false, 'login.example gives no token', { advice: 'x', cause: null, retryAfterMs });

describe('the tokens of an account', () => {
  it('are requested once however many gateways ask', async () => {
    const { token, give, asked } = provider();
    const all = Array.from({ length: 50 }, token);
    await give('a');
    expect(new Set(await Promise.all(all))).toEqual(new Set(['a']));
    expect(await token()).toBe('a');
    expect(asked).toHaveLength(1);
  });

  it('are renewed before they end, and the old one is given meanwhile', async () => {
    const { token, give, asked, clock } = provider();
    const first = token();
    await give('a');
    await first;
    await clock.advance(HOUR - 6 * MINUTE);
    expect(await token()).toBe('a');
    expect(asked).toHaveLength(1);
    await clock.advance(2 * MINUTE);
    expect(await token()).toBe('a');
    expect(await token()).toBe('a');
    await give('b');
    await settle();
    expect(await token()).toBe('b');
    expect(asked).toHaveLength(2);
  });

  it('are not given in their last half minute', async () => {
    const { token, give, clock } = provider();
    const first = token();
    await give('a');
    await first;
    await clock.advance(HOUR - 20_000);
    const late = token();
    await give('b');
    expect(await late).toBe('b');
  });

  it('survive a renewal that fails while they are valid', async () => {
    const { token, give, fail, clock } = provider();
    const first = token();
    await give('a');
    await first;
    await clock.advance(HOUR - 4 * MINUTE);
    expect(await token()).toBe('a');
    await fail(outage());
    await settle();
    expect(await token()).toBe('a');
  });

  it('are requested again when the counterparty does not accept one', async () => {
    const { token, give, source, asked } = provider();
    const first = token();
    await give('a');
    source.invalidate(await first);
    source.invalidate('another');
    const second = token();
    await give('b');
    source.invalidate('a');
    expect(await second).toBe('b');
    expect(await token()).toBe('b');
    expect(asked).toHaveLength(2);
  });

  it.each([
    ['a refusal', refusal, 60_000],
    ['an outage', outage(), 5_000],
    ['an outage with a time to wait', outage(90_000), 90_000],
    ['an outage with an absurd time to wait', outage(24 * HOUR), 10 * MINUTE],
  ])('after %s are not requested for a while', async (_, failure, pause) => {
    const { token, fail, give, asked, clock } = provider();
    const first = token();
    await fail(failure);
    await expect(first).rejects.toBe(failure);
    await clock.advance(pause - 1);
    await expect(token()).rejects.toBe(failure);
    expect(asked).toHaveLength(1);
    await clock.advance(1);
    const again = token();
    await give('a');
    expect(await again).toBe('a');
  });

  it('a provider that does not answer within 30 s is a failure, and the caller who gives up earlier hears of it at once', async () => {
    const { source, token, clock } = provider();
    const impatient = new AbortController();
    const early = source.token(impatient.signal);
    const patient = token();
    await settle();
    impatient.abort(new Error('stopping'));
    await expect(early).rejects.toThrow('stopping');
    const outcome = expect(patient).rejects.toThrow('30000 ms');
    await clock.advance(30_000);
    await outcome;
  });

  it('a new refresh token is stored before the access token is given, and used from then on', async () => {
    const { token, give, stored, asked, clock } = provider();
    const first = token();
    await give('a', { refreshToken: 'second' });
    await first;
    expect(stored()).toBe('second');
    await clock.advance(HOUR);
    const next = token();
    await give('b');
    await next;
    expect(asked).toEqual([undefined, 'second']);
  });

  it('a new refresh token that cannot be stored is used from then on all the same: the old one may be dead', async () => {
    const { token, give, asked, clock } = provider(false);
    const first = token();
    await give('a', { refreshToken: 'second' });
    await first;
    await clock.advance(HOUR);
    const next = token();
    await give('b');
    await next;
    expect(asked).toEqual([undefined, 'second']);
  });

  it('a renewal that failed is not tried again at once, though the old token is still given', async () => {
    const { token, give, fail, asked, clock } = provider();
    const first = token();
    await give('a');
    await first;
    await clock.advance(HOUR - 4 * MINUTE);
    await token();
    await fail(outage());
    await settle();
    for (let time = 0; time < 10; time++) expect(await token()).toBe('a');
    await settle();
    expect(asked).toHaveLength(2);
    await clock.advance(5_000);
    expect(await token()).toBe('a');
    await give('b');
    await settle();
    expect(await token()).toBe('b');
  });
});
