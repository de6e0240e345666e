// Pushes of the gateway: authentic or not, message or receipt. Nothing is stored here; the pipeline journals the result before
// it sends the reply.
import type {
  DeliveryReceipt,
  GatewayContext,
  RawRequest,
  WebhookReply,
  WebhookResult,
} from '../../src/driver/contract.js';
import { pushIdOf, verdictOn } from './authenticate.js';
import { fetchingFor } from './media.js';
import { BadPush, type Item, itemsOf } from './push-items.js';
import type { ReceiptFrom, ReceiveFrom } from './schemas.js';
import type { HttpSmsSession } from './session.js';
import type { HttpSmsSettings } from './settings.js';
import { inboundMessageOf, type PushedMessage, receiptsOf } from './translate.js';

type Context = GatewayContext<HttpSmsSettings>;

/** When the gateway closes in the middle, the whole push fails, and the counterparty repeats it. */
export async function webhook(session: HttpSmsSession, request: RawRequest): Promise<WebhookResult> {
  const { context } = session;
  const { settings } = context;
  const verdict = verdictOn(request, { settings, gatewayId: context.gateway.id, now: context.clock.now() });
  if (verdict !== 'genuine') {
    context.inputRejected(verdict);
    const reason = verdict === 'stale' ? 'its signature is too old' : 'it is not authenticated';
    session.logRejection({ reason, method: request.method }, 'webhook request was rejected');
    return { reply: plain(403, verdict === 'stale' ? 'the signature is too old' : 'not authenticated') };
  }
  try {
    const { faults, ...result } = await translate(session, request);
    if (faults.length > 0) return { ...result, reply: rejection(context, faults, result) };
    const { Status, Body, ContentType } = settings.ReplyWith;
    return { ...result, reply: { status: Status, body: Body, headers: { 'content-type': ContentType } } };
  } catch (error) {
    if (!(error instanceof BadPush)) throw error;
    return { reply: rejection(context, [error]) };
  }
}

interface Translated {
  readonly messages: readonly PushedMessage[];
  readonly receipts: readonly DeliveryReceipt[];
}

function rejection(
  { log, inputRejected }: Context,
  faults: readonly BadPush[],
  accepted: Partial<Translated> = {},
): WebhookReply {
  for (const { reason } of faults) inputRejected(reason);
  const { messages = [], receipts = [] } = accepted;
  const count = messages.length + receipts.length;
  const reason = `${faults[0]?.message}${count > 0 ? `; ${count} others in the same push were accepted` : ''}`;
  log.warn({ reason, rejected: faults.length }, 'webhook request was rejected');
  return plain(400, reason);
}

async function translate(
  session: HttpSmsSession,
  request: RawRequest,
): Promise<Translated & { readonly faults: readonly BadPush[] }> {
  const { context } = session;
  const { ReceiveFrom, ReceiptFrom } = context.settings;
  const path = request.path.split('?')[0]?.replace(/\/$/, '') ?? '';
  if (path !== '' && path !== '/receipt') throw new BadPush(`there is nothing at ${path.slice(0, 100)}`, 'unwanted');
  if (path === '/receipt' && !ReceiptFrom) throw new BadPush('receipts are not described (ReceiptFrom)', 'unwanted');
  const receive = path === '' && context.gateway.direction === 'I' ? ReceiveFrom : undefined;
  const items = classify(request, receive, ReceiptFrom);
  if (items.messages.length > 0) assertMethod(request, receive?.Method);
  if (items.receipts.length > 0) assertMethod(request, ReceiptFrom?.Method);
  const faults: BadPush[] = [];
  const messages = receive ? await messagesIn(session, request, items.messages, receive, faults) : [];
  const receipts = ReceiptFrom
    ? items.receipts.flatMap((item) => orFault(faults, () => receiptsOf(context, item, ReceiptFrom)) ?? [])
    : [];
  // One bad item makes the gateway repeat the whole push: the others are accepted only when an id identifies them then.
  return { messages: faults.length > 0 && receive?.Id === undefined ? [] : messages, receipts, faults };
}

async function messagesIn(
  { context, http, closing }: HttpSmsSession,
  request: RawRequest,
  items: readonly Item[],
  receive: ReceiveFrom,
  faults: BadPush[],
): Promise<PushedMessage[]> {
  const fetching = fetchingFor(http, context.clock, request.signal, closing.signal);
  const messages: PushedMessage[] = [];
  try {
    const pushId = pushIdOf(request, context.settings);
    for (const [at, item] of items.entries())
      try {
        messages.push(await inboundMessageOf(context, item, receive, fetching, pushId && `push ${pushId} ${at}`));
      } catch (error) {
        note(faults, error);
      }
  } finally {
    fetching.dispose();
  }
  return messages;
}

function orFault<T>(faults: BadPush[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    note(faults, error);
    return undefined;
  }
}

/** An item that cannot be read does not delay the others beside it. */
function note(faults: BadPush[], error: unknown): void {
  if (!(error instanceof BadPush)) throw error;
  faults.push(error);
}

interface Items {
  readonly messages: readonly Item[];
  readonly receipts: readonly Item[];
}

/** One push may hold both. A receipt has an id and a state, and no text. */
function classify(request: RawRequest, receive: ReceiveFrom | undefined, receipt: ReceiptFrom | undefined): Items {
  if (!receive) {
    if (!receipt) throw new BadPush('nothing is described that could be pushed here', 'unwanted');
    return { messages: [], receipts: itemsOf(request, receipt.List) };
  }
  const isReceipt = (item: Item) => receipt !== undefined && looksLike(item, receipt, receive);
  const receipts = receipt ? itemsIfAny(request, receipt.List).filter(isReceipt) : [];
  const ownList = receipts.length > 0 && receipt?.List !== receive.List;
  const others = ownList ? itemsIfAny(request, receive.List) : itemsOf(request, receive.List);
  return { receipts, messages: others.filter((item) => !isReceipt(item)) };
}

function looksLike(item: Item, receipt: ReceiptFrom, receive: ReceiveFrom): boolean {
  try {
    return Boolean(item.at(receipt.Id) && item.at(receipt.State)) && item.at(receive.Text) === undefined;
  } catch (error) {
    // Where receipts come as JSON and messages do not, this item is no receipt.
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

function assertMethod({ method }: RawRequest, wanted: string | undefined): void {
  if (wanted !== undefined && method !== wanted) throw new BadPush(`the method is ${method}, not ${wanted}`);
}

function plain(status: number, body: string): WebhookReply {
  return { status, body, headers: { 'content-type': 'text/plain; charset=utf-8' } };
}
