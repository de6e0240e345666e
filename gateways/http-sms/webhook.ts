// Owns pushes: genuine or not, message or receipt, and what they say. Stores nothing; what it returns is in the journal
// before the counterparty hears the reply.
import { createHash } from 'node:crypto';
import type {
  DeliveryReceipt,
  GatewayContext,
  RawRequest,
  TextMessage,
  WebhookReply,
  WebhookResult,
} from '../../src/driver/contract.js';
import { isGenuine } from './authenticate.js';
import { type Fetching, fetchingFor, mediaOf } from './media.js';
import { BadPush, type Item, itemsOf, timeOf } from './pushed.js';
import type { HttpSmsSettings } from './settings.js';
import type { ReceiptFrom, ReceiveFrom } from './shapes.js';

/** Numbers have 15 digits, alphanumeric senders 11 characters; this is for oddities. */
const MAX_ADDRESS = 100;
/** Ids go into keys and columns. */
const MAX_ID = 200;

type Context = Pick<
  GatewayContext<HttpSmsSettings>,
  'settings' | 'clock' | 'random' | 'log' | 'gateway' | 'driverState' | 'inputRejected'
>;

/** `closed` aborts when the gateway is closed: what was not finished then is not taken, and comes again. */
export async function pushed(context: Context, request: RawRequest, closed: AbortSignal): Promise<WebhookResult> {
  const { settings, log } = context;
  if (!isGenuine(request, settings)) {
    context.inputRejected('forged');
    log.warn({ method: request.method }, 'a push that does not prove to be genuine was refused');
    return { reply: plain(403, 'not authenticated') };
  }
  try {
    const { faults, ...result } = await translate(context, request, closed);
    if (faults.length > 0) return { ...result, reply: refusal(context, faults, result) };
    const { Status, Body, ContentType } = settings.ReplyWith;
    return { ...result, reply: { status: Status, body: Body, headers: { 'content-type': ContentType } } };
  } catch (error) {
    if (!(error instanceof BadPush)) throw error;
    return { reply: refusal(context, [error]) };
  }
}

function refusal(
  { log, inputRejected }: Context,
  faults: readonly BadPush[],
  taken: Partial<Taken> = {},
): WebhookReply {
  for (const { reason } of faults) inputRejected(reason);
  const { messages = [], receipts = [] } = taken;
  const count = messages.length + receipts.length;
  const problem = `${faults[0]?.message}${count > 0 ? `; ${count} others in the same push were taken` : ''}`;
  log.warn({ problem, refused: faults.length }, 'a push could not be understood and was refused');
  return plain(400, problem);
}

type Taken = Required<Pick<WebhookResult, 'messages' | 'receipts'>>;

async function translate(
  context: Context,
  request: RawRequest,
  closed: AbortSignal,
): Promise<Taken & { faults: BadPush[] }> {
  const { ReceiveFrom, ReceiptFrom } = context.settings;
  const path = request.path.split('?')[0]?.replace(/\/$/, '') ?? '';
  if (path !== '' && path !== '/receipt') throw new BadPush(`there is nothing at ${path.slice(0, 100)}`, 'unwanted');
  if (path === '/receipt' && !ReceiptFrom) throw new BadPush('receipts are not described (ReceiptFrom)', 'unwanted');
  const receive = path === '' && context.gateway.direction === 'I' ? ReceiveFrom : undefined;
  const { messages, receipts: receiptItems } = sorted(request, receive, ReceiptFrom);
  if (messages.length > 0) allowed(request, receive?.Method);
  if (receiptItems.length > 0) allowed(request, ReceiptFrom?.Method);
  const faults: BadPush[] = [];
  const inboundMessages: Taken['messages'][number][] = [];
  const fetching = fetchingFor(context.clock, request.signal, closed);
  try {
    for (const item of messages)
      if (receive)
        inboundMessages.push(...(await orFault(faults, () => inboundMessageOf(context, item, receive, fetching))));
  } finally {
    fetching.dispose();
  }
  // The whole push comes again because of one bad item. Of the others only those are taken that are known by their ids then.
  const kept = faults.length > 0 && receive?.Id === undefined ? [] : inboundMessages;
  const receipts: DeliveryReceipt[] = [];
  for (const item of receiptItems)
    if (ReceiptFrom) receipts.push(...(await orFault(faults, () => receiptsOf(context, item, ReceiptFrom))).flat());
  return { messages: kept, receipts, faults };
}

/** One item that cannot be understood does not hold up the others beside it. */
async function orFault<T>(faults: BadPush[], work: () => T | Promise<T>): Promise<T[]> {
  try {
    return [await work()];
  } catch (error) {
    if (!(error instanceof BadPush)) throw error;
    faults.push(error);
    return [];
  }
}

/** One push may hold both. A receipt has an id and a state, and no text. */
function sorted(request: RawRequest, receive: ReceiveFrom | undefined, receipt: ReceiptFrom | undefined) {
  if (!receive) {
    if (!receipt) throw new BadPush('nothing is described that could be pushed here', 'unwanted');
    return { messages: [], receipts: itemsOf(request, receipt.List) };
  }
  const isReceipt = (item: Item) => receipt !== undefined && looksLike(item, receipt, receive);
  const receipts = receipt ? itemsIfAny(request, receipt.List).filter(isReceipt) : [];
  const elsewhere = receipts.length > 0 && receipt?.List !== receive.List;
  const others = elsewhere ? itemsIfAny(request, receive.List) : itemsOf(request, receive.List);
  return { receipts, messages: others.filter((item) => !isReceipt(item)) };
}

function looksLike(item: Item, receipt: ReceiptFrom, receive: ReceiveFrom): boolean {
  try {
    return Boolean(item.at(receipt.Id) && item.at(receipt.State)) && item.at(receive.Text) === undefined;
  } catch (error) {
    // Where receipts come as JSON and messages do not, this one is no receipt.
    if (error instanceof BadPush) return false;
    throw error;
  }
}

function itemsIfAny(request: RawRequest, list: string | undefined): Item[] {
  try {
    return itemsOf(request, list);
  } catch (error) {
    if (error instanceof BadPush) return [];
    throw error;
  }
}

function allowed({ method }: RawRequest, wanted: string | undefined): void {
  if (wanted !== undefined && method !== wanted) throw new BadPush(`the method is ${method}, not ${wanted}`);
}

async function inboundMessageOf(context: Context, item: Item, from: ReceiveFrom, fetching: Fetching) {
  const { settings, clock, random, driverState } = context;
  const sender = needed(item, from.From, 'sender', MAX_ADDRESS);
  const to = (item.at(from.To) || settings.From) ?? '';
  if (to.length > MAX_ADDRESS) throw new BadPush(`the recipient is longer than ${MAX_ADDRESS} characters`);
  const providerId = from.Id === undefined ? null : needed(item, from.Id, 'id', Number.POSITIVE_INFINITY);
  const now = clock.now();
  // Without an id a repeat cannot be told from a customer who says the same twice, and losing is worse than doubling.
  const key = providerId === null ? `push ${now} ${random()}` : `id ${shortened(providerId)}`;
  const pictures = item.json(from.Media);
  if (pictures !== undefined && (await driverState.statesOf([key])).has(key))
    return { key, fingerprint: '', content: null };
  const text = item.text(from.Text, item.at(from.Charset));
  const { media, notes } = await mediaOf(pictures, settings.MediaHosts ?? [], fetching);
  if (text === undefined && media.length + notes.length === 0) throw new BadPush(`there is no text at ${from.Text}`);
  const sentAt = timeOf(item.at(from.Time), now);
  const rest = { text: text ?? '', providerId, receivedAt: now, sentAt, media, notes };
  const content: TextMessage = { kind: 'text', from: sender, to, ...rest };
  return { key, fingerprint: '', content };
}

function receiptsOf({ clock, log, inputRejected }: Context, item: Item, from: ReceiptFrom): DeliveryReceipt[] {
  const id = needed(item, from.Id, 'id', MAX_ID);
  const word = needed(item, from.State, 'state', MAX_ID);
  const state = new Map(Object.entries(from.States)).get(word);
  if (!state) {
    inputRejected('unknown_state');
    log.info({ id, word }, 'a receipt with a state that States does not name was passed over');
    return [];
  }
  const now = clock.now();
  const said = item.at(from.Detail)?.slice(0, 300);
  return [{ id, state, at: timeOf(item.at(from.Time), now) ?? now, detail: said ? `${word}: ${said}` : word }];
}

function needed(item: Item, place: string, what: string, limit: number): string {
  const value = item.at(place);
  if (!value) throw new BadPush(`there is no ${what} at ${place}`);
  if (value.length > limit) throw new BadPush(`the ${what} is longer than ${limit} characters`);
  return value;
}

/** An id that is too long for a key becomes its digest: the same each time. */
function shortened(id: string): string {
  return id.length <= MAX_ID && !/\p{Cc}/u.test(id) ? id : `sha256 ${createHash('sha256').update(id).digest('hex')}`;
}

function plain(status: number, body: string): WebhookReply {
  return { status, body, headers: { 'content-type': 'text/plain; charset=utf-8' } };
}
