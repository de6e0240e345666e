// Owns what an open gateway holds: the way to the API, who waits for which message's state, and the follow-up of those
// whose end is not known yet.
import { GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import { type Api, openApi } from './api.js';
import { reasonOf } from './codes.js';
import { type FollowUp, followUp } from './follow.js';
import { type Recent, recent } from './recent.js';
import { isWord, type Settings } from './settings.js';
import { type Watchers, watchersOf } from './watchers.js';

/** Far more than are pushed between two looks. */
const MOST_PUSHED = 10_000;

export interface Session {
  readonly context: GatewayContext<Settings>;
  readonly api: Api;
  /** Aborts when the gateway is closed. */
  readonly closed: AbortSignal;
  /** Told of the states of messages that a send is waiting for. */
  readonly watchers: Watchers;
  /** SIDs that were pushed to this session: what the journal knows of them goes its way from there. */
  readonly pushed: Recent;
  readonly following: FollowUp;
  /** Where delivery states are to be pushed; null when they are asked for instead. */
  readonly statusUrl: string | null;
  close(): Promise<void>;
}

/** Asks for one message, which shows whether the account can be used with these credentials; changes nothing. */
export async function openSession(context: GatewayContext<Settings>): Promise<Session> {
  const { settings, clock, gateway } = context;
  if (gateway.direction === 'I' && settings.Number && isWord(settings.Number))
    throw new GatepostError('twilio/sender-name', `nobody can answer to the sender name "${settings.Number}"`, {
      advice: 'give the gateway that receives a number in the setting Number',
    });
  const pushing = pushingAt(context);
  const closing = new AbortController();
  const api = await openApi(settings, clock);
  try {
    await api.call(closing.signal, ({ client }) => client.messages.page({ pageSize: 1 }));
  } catch (error) {
    api.close();
    throw unusable(settings, error);
  }
  const statusUrl = pushing === null ? null : `${pushing}/status`;
  const following = await followUp(context, api, closing.signal, statusUrl !== null).catch((error) => {
    api.close();
    throw error;
  });
  return {
    context,
    api,
    closed: closing.signal,
    watchers: watchersOf(settings.AccountSid),
    pushed: recent(MOST_PUSHED),
    following,
    statusUrl,
    async close() {
      closing.abort(new GatepostError('twilio/closed', 'the gateway is being closed'));
      api.close();
      await following.ended;
    },
  };
}

/** Without an address of its own the gateway can still look by itself, unless it was told not to. */
function pushingAt({ settings, gateway, webhookUrl, log }: GatewayContext<Settings>): string | null {
  if (!settings.Webhook) return null;
  if (webhookUrl !== null) return webhookUrl;
  if (gateway.direction === 'I' && settings.PollSeconds === 0)
    throw new GatepostError('twilio/no-webhook', 'Webhook is on, but the HTTP port has no address to be reached at', {
      advice: 'switch the HTTP port on, or set PollSeconds to a number of seconds',
    });
  log.warn({}, 'Webhook is on, but the HTTP port has no address to be reached at: asking Twilio instead');
  return null;
}

function unusable(settings: Settings, error: unknown): GatepostError {
  const host = settings.BaseUrl === undefined ? 'api.twilio.com' : new URL(settings.BaseUrl).host;
  return new GatepostError('twilio/unusable', `cannot use Twilio at ${host}: ${reasonOf(error)}`.slice(0, 280), {
    advice: 'run "gatepost test" on this gateway to see which step fails',
    cause: error,
  });
}
