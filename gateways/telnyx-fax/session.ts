import { createPublicKey, type KeyObject } from 'node:crypto';
import { GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import { type BoundedMap, boundedMap } from '../../src/driver/shared/bounded-map.js';
import { type PendingSends, pendingSends } from '../../src/driver/shared/pending-sends.js';
import { rejectionLog } from '../../src/driver/shared/rejections.js';
import type { StatusPoller } from '../../src/driver/shared/status-poller.js';
import { type WakeSignal, wakeSignal } from '../../src/driver/shared/wake-signal.js';
import { type Api, openApi, reasonOf } from './api.js';
import { type Documents, documentsOf } from './documents.js';
import type { Fax } from './faxes.js';
import type { Progress } from './progress.js';
import type { Settings } from './settings.js';
import { faxStatusPoller } from './status.js';

/** Far more faxes than come between two polls. */
const MAX_RECENT = 1_000;

export interface Session {
  readonly context: GatewayContext<Settings>;
  readonly api: Api;
  readonly documents: Documents;
  /** Aborts when the gateway closes. */
  readonly closed: AbortSignal;
  readonly pending: PendingSends<Progress>;
  readonly poller: StatusPoller;
  /** When each message was posted to Telnyx last, by MessageId, ms since the epoch. */
  readonly posted: BoundedMap<number>;
  /** When this session began: a request of an earlier one cannot reach Telnyx much later. */
  readonly openedAt: number;
  /** Where Telnyx pushes the progress; null when it is only polled. */
  readonly webhookUrl: string | null;
  /** The key of the signatures of pushes; null without Webhook. */
  readonly publicKey: KeyObject | null;
  /** Rank of the latest pushed progress of sent faxes, by id. */
  readonly pushedRanks: BoundedMap<number>;
  /** Received faxes that were pushed: the journal has them and delivers them. */
  readonly pushed: BoundedMap<true>;
  /** Received faxes as they were pushed: the list says less about them. */
  readonly pushedDetails: BoundedMap<Fax>;
  /** Running downloads of documents by fax, bounded by the faxes of one poll and the pushes that wait for a reply. */
  readonly fetching: Map<string, Promise<Buffer>>;
  /** Cuts the pause between two polls short. */
  readonly pollWake: WakeSignal;
  /** For pushes that are not genuine. */
  readonly logRejection: ReturnType<typeof rejectionLog>;
  close(): Promise<void>;
}

/** Asks for one fax, which shows whether the account can be used with this key; changes nothing. */
export async function openSession(context: GatewayContext<Settings>): Promise<Session> {
  const { settings } = context;
  const webhookUrl = usableWebhook(context);
  const closing = new AbortController();
  const closed = closing.signal;
  const api = openApi(context);
  const documents = documentsOf(context, api);
  try {
    await api.get({ method: 'GET', path: '/faxes', query: { 'page[size]': '1' } }, closed);
    const poller = await faxStatusPoller({ context, api, documents, closed, pushed: webhookUrl !== null });
    return {
      ...{ context, api, documents, closed, poller, webhookUrl },
      ...recentOf(context),
      publicKey: keyOf(settings),
      logRejection: rejectionLog(context.log),
      async close() {
        closing.abort(new GatepostError('telnyx/closed', 'the gateway is being closed'));
        await api.close();
        await poller.stopped;
      },
    };
  } catch (error) {
    await api.close();
    throw unusable(api, error);
  }
}

/** What a session remembers of the faxes of the moment. */
function recentOf({ clock }: GatewayContext<Settings>) {
  return {
    pending: pendingSends<Progress>(),
    posted: boundedMap<number>(MAX_RECENT),
    openedAt: clock.now(),
    pushedRanks: boundedMap<number>(MAX_RECENT),
    pushed: boundedMap<true>(MAX_RECENT),
    pushedDetails: boundedMap<Fax>(MAX_RECENT),
    fetching: new Map<string, Promise<Buffer>>(),
    pollWake: wakeSignal(clock),
  };
}

/** Without a webhook address the gateway polls. */
function usableWebhook({ settings, webhookUrl, log }: GatewayContext<Settings>): string | null {
  if (!settings.Webhook) return null;
  if (webhookUrl === null)
    log.warn({ reason: 'the HTTP port has no public address' }, 'webhook is unavailable, polling instead');
  return webhookUrl;
}

function keyOf({ PublicKey }: Settings): KeyObject | null {
  if (PublicKey === undefined) return null;
  const x = Buffer.from(PublicKey, 'base64').toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

function unusable(api: Api, error: unknown): GatepostError {
  const reason = `cannot use Telnyx at ${api.home.host}: ${reasonOf(error)}`;
  return new GatepostError('telnyx/unusable', reason.slice(0, 280), {
    advice: 'run "gatepost test" on this gateway to see which step fails',
    cause: error,
  });
}
