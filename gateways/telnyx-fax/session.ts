// Owns what an open gateway holds: the way to the API and to the documents, who waits for which fax, and the follow-up of
// those whose end is not known yet.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { type Clock, GatepostError, type GatewayContext, sleep } from '../../src/driver/contract.js';
import { type Api, openApi, reasonOf } from './api.js';
import { type Documents, documentsOf } from './document.js';
import type { Fax } from './faxes.js';
import { type FollowUp, followUp } from './follow.js';
import { type Recent, recent } from './recent.js';
import type { Settings } from './settings.js';
import type { Progress } from './states.js';

/** Far more than come between two looks. */
const MOST_RECENT = 1_000;

export interface Session {
  readonly context: GatewayContext<Settings>;
  readonly api: Api;
  readonly documents: Documents;
  /** Aborts when the gateway is closed. */
  readonly closed: AbortSignal;
  /** Told of the progress of faxes that a send is waiting for, by id. */
  readonly watchers: Map<string, (progress: Progress) => void>;
  /** When the send requests that were handed over here were handed over last, ms since the epoch. */
  readonly posted: Recent<number>;
  /** When this session began: nothing of an earlier one can still be on its way after a while. */
  readonly openedAt: number;
  readonly following: FollowUp;
  /** Where progress is to be pushed; null when it is asked for instead. */
  readonly hookUrl: string | null;
  /** The key that what is pushed must be signed with; null without Webhook. */
  readonly publicKey: KeyObject | null;
  /** How far the faxes sent had come by what was pushed, as ranks. */
  readonly heard: Recent<number>;
  /** Faxes that were pushed to this session: what the journal knows of them goes its way from there. */
  readonly pushed: Recent<true>;
  /** What was pushed of received faxes: the list does not say as much. */
  readonly told: Recent<Fax>;
  /** Documents that are being fetched, so that two pushes at once fetch one. */
  readonly fetching: Map<string, Promise<Buffer>>;
  readonly bell: Bell;
  close(): Promise<void>;
}

/** Looks at the newest fax, which shows whether the account can be used with this key; changes nothing. */
export async function openSession(context: GatewayContext<Settings>): Promise<Session> {
  const { settings, clock } = context;
  const hookUrl = hookOf(context);
  const closing = new AbortController();
  const api = openApi(settings, clock);
  const documents = documentsOf(context, api);
  try {
    await api.get({ method: 'GET', path: '/faxes', query: { 'page[size]': '1' } }, closing.signal);
    const closed = closing.signal;
    const following = await followUp({ context, api, documents, closed, pushed: hookUrl !== null });
    return {
      ...{ context, api, documents, closed, following, hookUrl },
      watchers: new Map(),
      posted: recent(MOST_RECENT),
      openedAt: clock.now(),
      publicKey: keyOf(settings),
      heard: recent(MOST_RECENT),
      pushed: recent(MOST_RECENT),
      told: recent(MOST_RECENT),
      fetching: new Map(),
      bell: bellOf(),
      async close() {
        closing.abort(new GatepostError('telnyx/closed', 'the gateway is being closed'));
        api.close();
        await following.done;
      },
    };
  } catch (error) {
    api.close();
    throw unusable(api, error);
  }
}

/** Without an address of its own the gateway still looks by itself. */
function hookOf({ settings, webhookUrl, log }: GatewayContext<Settings>): string | null {
  if (!settings.Webhook) return null;
  if (webhookUrl === null)
    log.warn({}, 'Webhook is on, but the HTTP port has no address to be reached at: asking Telnyx instead');
  return webhookUrl;
}

function keyOf({ PublicKey }: Settings): KeyObject | null {
  if (PublicKey === undefined) return null;
  const x = Buffer.from(PublicKey, 'base64').toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

function unusable(api: Api, error: unknown): GatepostError {
  return new GatepostError(
    'telnyx/unusable',
    `cannot use Telnyx at ${api.home.host}: ${reasonOf(error)}`.slice(0, 280),
    {
      advice: 'run "gatepost test" on this gateway to see which step fails',
      cause: error,
    },
  );
}

/** Cuts the pause between two looks short. */
export interface Bell {
  ring(): void;
  /** Resolves after `ms`, when it rings, or at once when it has rung since the last pause; when `signal` aborts, too. */
  pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void>;
}

function bellOf(): Bell {
  let rung = new AbortController();
  return {
    ring: () => rung.abort(),
    async pause(clock, ms, signal) {
      await sleep(clock, ms, AbortSignal.any([signal, rung.signal])).catch(() => {});
      rung = new AbortController();
    },
  };
}
