// The access token of one account, for all gateways that sign in with it.
// none -> requesting -> valid -> (near its end) requesting while the old one is still given -> valid
//                    -> failed: for a while every caller gets the same failure, then the next caller requests again.
// There is one request at a time. A refresh token that the provider replaces is stored before the access token is given:
// the old one may be dead, and a crash would lose the account.
import type { Clock } from '../../../kit/clock.js';
import { deadline, raceSignal } from '../../../kit/deadline.js';
import { messageOf } from '../../../kit/errors.js';
import type { Log } from '../../../kit/log.js';
import { type Grant, OAuthFailure } from './grants.js';

export interface TokenSource {
  /** A token that is valid for some minutes. Rejects with an OAuthFailure, or with the reason of `signal`. */
  token(signal: AbortSignal): Promise<string>;
  /** The counterparty does not accept this token: the next caller gets another one. */
  invalidate(token: string): void;
}

export interface TokenSourceDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** One request; `refreshToken` is the one that was stored last. */
  request(refreshToken: string | undefined, signal: AbortSignal): Promise<Grant>;
  readonly store: {
    get(): Promise<string | undefined>;
    put(refreshToken: string): Promise<void>;
  };
}

/** One request to the provider ends by then, ms. */
const REQUEST_MS = 30_000;
/** A token is renewed when it is valid for no longer than this, ms; less for tokens that live shortly. */
const RENEW_BEFORE_MS = 5 * 60_000;
/** A token that ends before this is not given any more, ms: signing in takes a while. */
const LEAST_MS = 30_000;
/** All gateways of an account get the same failure for this long, ms: a refusal does not mend itself. */
const PAUSE_MS = { refused: 60_000, unavailable: 5_000, longest: 10 * 60_000 } as const;

type State =
  | { readonly is: 'none' }
  | { readonly is: 'valid'; readonly token: string; readonly renewAt: number; readonly endsAt: number }
  | { readonly is: 'failed'; readonly failure: unknown; readonly until: number };

export function tokenSource({ clock, log, request, store }: TokenSourceDeps): TokenSource {
  let state: State = { is: 'none' };
  let running: Promise<string> | null = null;
  const refresh = refreshTokens(store, log);
  const requestWithRefresh = async (signal: AbortSignal) => request(await refresh.get(), signal);

  async function renew(): Promise<string> {
    const limit = deadline(clock, REQUEST_MS);
    try {
      const grant = await limit.race(requestWithRefresh(limit.signal), 'the provider of the token');
      if (grant.refreshToken !== undefined) await refresh.put(grant.refreshToken);
      state = validUntil(grant, clock.monotonic());
      return grant.accessToken;
    } catch (failure) {
      // A token that is still valid outlives a failed renewal.
      const pause = failed(failure, clock.monotonic());
      state = state.is === 'valid' && isUsable(state, clock.monotonic()) ? { ...state, renewAt: pause.until } : pause;
      throw failure;
    } finally {
      limit.dispose();
    }
  }

  function single(): Promise<string> {
    running ??= renew().finally(() => {
      running = null;
    });
    // Callers that gave up are not the only ones who may be waiting; a rejection without any is no fault of the process.
    running.catch(() => {});
    return running;
  }

  return {
    token(signal) {
      const now = clock.monotonic();
      if (state.is === 'failed' && now < state.until) return Promise.reject(state.failure);
      if (state.is === 'valid' && isUsable(state, now)) {
        const { token, renewAt } = state;
        if (now >= renewAt) void single();
        return Promise.resolve(token);
      }
      return raceSignal(single(), signal, 'the token');
    },
    invalidate(token) {
      if (state.is === 'valid' && state.token === token) state = { is: 'none' };
    },
  };
}

/** One that cannot be stored is used from memory: the next start would need a new consent. */
function refreshTokens(store: TokenSourceDeps['store'], log: Log): TokenSourceDeps['store'] {
  let unstored: string | undefined;
  return {
    get: async () => unstored ?? store.get(),
    async put(token) {
      try {
        await store.put(token);
        unstored = undefined;
      } catch (error) {
        unstored = token;
        log.error({ err: messageOf(error) }, 'refresh token cannot be stored');
      }
    },
  };
}

function isUsable(state: State, now: number): boolean {
  return state.is === 'valid' && now < state.endsAt;
}

function validUntil({ accessToken, validMs }: Grant, now: number): State {
  const least = Math.min(LEAST_MS, validMs / 4);
  return {
    is: 'valid',
    token: accessToken,
    renewAt: now + validMs - Math.min(RENEW_BEFORE_MS, validMs / 2),
    endsAt: now + validMs - least,
  };
}

function failed(failure: unknown, now: number): Extract<State, { is: 'failed' }> {
  const { refused, retryAfterMs } =
    failure instanceof OAuthFailure ? failure : { refused: false, retryAfterMs: undefined };
  const wait = retryAfterMs ?? (refused ? PAUSE_MS.refused : PAUSE_MS.unavailable);
  return { is: 'failed', failure, until: now + Math.min(wait, PAUSE_MS.longest) };
}
