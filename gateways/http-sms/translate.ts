// One item of a push as an inbound message or a delivery receipt.
import { createHash } from 'node:crypto';
import type { DeliveryReceipt, GatewayContext, TextMessage, WebhookResult } from '../../src/driver/contract.js';
import { type Fetching, mediaOf } from './media.js';
import { BadPush, type Item, timeOf } from './push-items.js';
import type { ReceiptFrom, ReceiveFrom } from './schemas.js';
import type { HttpSmsSettings } from './settings.js';

/** Numbers have 15 digits, alphanumeric senders 11 characters; this is for oddities. */
const MAX_ADDRESS = 100;
/** Ids go into keys and columns. */
const MAX_ID = 200;

type Context = GatewayContext<HttpSmsSettings>;
export type PushedMessage = NonNullable<WebhookResult['messages']>[number];

export async function inboundMessageOf(
  context: Context,
  item: Item,
  from: ReceiveFrom,
  fetching: Fetching,
  pushKey: string | null,
): Promise<PushedMessage> {
  const { settings, clock, driverState } = context;
  const sender = required(item, from.From, 'sender', MAX_ADDRESS);
  const to = (item.at(from.To) || settings.From) ?? '';
  if (to.length > MAX_ADDRESS) throw new BadPush(`the recipient is longer than ${MAX_ADDRESS} characters`);
  const providerId = from.Id === undefined ? null : required(item, from.Id, 'id', Number.POSITIVE_INFINITY);
  const key = keyOf(context, providerId, pushKey);
  const pictures = item.json(from.Media);
  if (pictures !== undefined && (await driverState.statesOf([key])).has(key))
    return { key, fingerprint: '', content: null };
  const text = item.text(from.Text, item.at(from.Charset));
  const { media, notes } = await mediaOf(pictures, settings.MediaHosts ?? [], fetching);
  if (text === undefined && media.length + notes.length === 0) throw new BadPush(`there is no text at ${from.Text}`);
  const receivedAt = clock.now();
  const sentAt = timeOf(item.at(from.Time), receivedAt);
  const rest = { text: text ?? '', providerId, receivedAt, sentAt, media, notes };
  const content: TextMessage = { kind: 'text', from: sender, to, ...rest };
  return { key, fingerprint: '', content };
}

/** Without an id a repeat cannot be distinguished from a customer who writes the same twice, and a lost message is worse than a double one. */
function keyOf({ clock, random }: Context, providerId: string | null, pushKey: string | null): string {
  if (providerId !== null) return `id ${shortened(providerId)}`;
  return pushKey ?? `push ${clock.now()} ${random()}`;
}

export function receiptsOf({ clock, log, inputRejected }: Context, item: Item, from: ReceiptFrom): DeliveryReceipt[] {
  const id = required(item, from.Id, 'id', MAX_ID);
  const word = required(item, from.State, 'state', MAX_ID);
  const state = new Map(Object.entries(from.States)).get(word);
  if (!state) {
    inputRejected('unknown_state');
    log.info({ provider_id: id, reason: `States does not name "${word}"` }, 'delivery receipt was ignored');
    return [];
  }
  const now = clock.now();
  const detail = item.at(from.Detail)?.slice(0, 300);
  return [{ id, state, at: timeOf(item.at(from.Time), now) ?? now, detail: detail ? `${word}: ${detail}` : word }];
}

function required(item: Item, path: string, what: string, limit: number): string {
  const value = item.at(path);
  if (!value) throw new BadPush(`there is no ${what} at ${path}`);
  if (value.length > limit) throw new BadPush(`the ${what} is longer than ${limit} characters`);
  return value;
}

/** An id that is too long for a key becomes its digest: the same each time. */
function shortened(id: string): string {
  return id.length <= MAX_ID && !/\p{Cc}/u.test(id) ? id : `sha256 ${createHash('sha256').update(id).digest('hex')}`;
}
