import { GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import { type BoundedMap, boundedMap } from '../../src/driver/shared/bounded-map.js';
import type { PendingSends } from '../../src/driver/shared/pending-sends.js';
import { rejectionLog } from '../../src/driver/shared/rejections.js';
import type { StatusPoller } from '../../src/driver/shared/status-poller.js';
import { type Api, openApi } from './api.js';
import { type Progress, reasonOf } from './codes.js';
import { isWord, type Settings } from './settings.js';
import { pendingSendsOf, smsStatusPoller } from './status.js';

/** Far more messages than are pushed between two polls. */
const MAX_PUSHED = 10_000;

export interface Session {
  readonly context: GatewayContext<Settings>;
  readonly api: Api;
  /** Aborts when the gateway closes. */
  readonly closed: AbortSignal;
  readonly pending: PendingSends<Progress>;
  readonly poller: StatusPoller;
  /** SIDs that were pushed to this session: the journal has these messages and delivers them. */
  readonly pushed: BoundedMap<true>;
  /** Where Twilio pushes delivery states; null when they are only polled. */
  readonly statusUrl: string | null;
  /** For pushes that are not genuine. */
  readonly logRejection: ReturnType<typeof rejectionLog>;
  close(): Promise<void>;
}

/** Asks for one message, which shows whether the account can be used with these credentials; changes nothing. */
export async function openSession(context: GatewayContext<Settings>): Promise<Session> {
  assertUsableSender(context);
  const webhook = usableWebhook(context);
  const statusUrl = webhook === null ? null : `${webhook}/status`;
  const closing = new AbortController();
  const api = await openApi(context);
  try {
    await probe(api, closing.signal);
    const poller = await smsStatusPoller(context, api, closing.signal, statusUrl !== null);
    return {
      ...{ context, api, poller, statusUrl },
      closed: closing.signal,
      pending: pendingSendsOf(context),
      logRejection: rejectionLog(context.log),
      pushed: boundedMap<true>(MAX_PUSHED),
      async close() {
        closing.abort(new GatepostError('twilio/closed', 'the gateway is being closed'));
        await api.close();
        await poller.stopped;
      },
    };
  } catch (error) {
    await api.close();
    throw error;
  }
}

function assertUsableSender({ settings, gateway }: GatewayContext<Settings>): void {
  if (gateway.direction === 'O' || !settings.Number || !isWord(settings.Number)) return;
  throw new GatepostError('twilio/sender-name', `customers cannot answer to the sender name "${settings.Number}"`, {
    advice: 'give the inbound gateway a number in the setting Number',
  });
}

/** Without a webhook address the gateway polls, unless PollSeconds 0 forbids it. */
function usableWebhook({ settings, gateway, webhookUrl, log }: GatewayContext<Settings>): string | null {
  if (!settings.Webhook) return null;
  if (webhookUrl !== null) return webhookUrl;
  if (gateway.direction === 'I' && settings.PollSeconds === 0)
    throw new GatepostError('twilio/no-webhook', 'Webhook is on, but the HTTP port has no public address', {
      advice: 'switch the HTTP port on, or set PollSeconds to a number of seconds',
    });
  log.warn({ reason: 'the HTTP port has no public address' }, 'webhook is unavailable, polling instead');
  return null;
}

async function probe(api: Api, signal: AbortSignal): Promise<void> {
  try {
    await api.call(signal, ({ client }) => client.messages.page({ pageSize: 1 }));
  } catch (error) {
    const reason = `cannot use Twilio at ${api.urlOf('/').host}: ${reasonOf(error)}`;
    throw new GatepostError('twilio/unusable', reason.slice(0, 280), {
      advice: 'run "gatepost test" on this gateway to see which step fails',
      cause: error,
    });
  }
}
