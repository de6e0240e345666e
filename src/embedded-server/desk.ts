// The desk commands send and reply only put a send request into the store; the running embedded server sends
// it, so they work from any process.
import { sleep } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import { oneLine } from '../kit/terminal.js';
import { type Channel, LIMITS } from '../model/message.js';
import { eventLine } from './desk-show.js';
import { type Desk, findMessage, shortId, standstill, withStore } from './desk-store.js';
import type { DeskGateway, StoredMessage } from './reading.js';
import type { NewSendRequest } from './send-requests.js';
import type { Store } from './store.js';

export { deskInbox, deskOutbox, deskRead } from './desk-show.js';
export type { Desk } from './desk-store.js';

/** What is written in a send request. */
export interface Writing {
  text: string;
  html?: string | undefined;
  /** Returns as soon as the send request is queued. */
  noWait?: boolean | undefined;
}

export interface SendArgs extends Writing {
  /** Id, beginning of an id, or name of an outbound gateway. */
  gateway: string;
  to: string;
  /** Mandatory for e-mail; text messages have none. */
  subject?: string | undefined;
}

export interface ReplyArgs extends Writing {
  /** The outbound gateway; the obvious one when absent. */
  gateway?: string | undefined;
}

/** Exit codes: the send request was sent (or is queued, as asked with noWait); it failed; not known yet. */
const SENT = 0;
const FAILED = 1;
const OPEN = 2;

/** Ms that the outcome is waited for: a little more than the 90 s a send request may take. */
const PATIENCE_MS = 100_000;
const LOOK_MS = 250;
/** Longest text or HTML of a send request, UTF-16 units: what fits a frame with room to spare. */
const LONGEST_BODY = 4 * 1024 * 1024;

/** Queues a new message and prints what becomes of it. Returns the exit code: 0 sent, 1 failed, 2 not known yet. */
export function deskSend(desk: Desk, args: SendArgs): Promise<number> {
  return withStore(desk, (store) => {
    const gateway = namedGateway(store.reading.gateways(), args.gateway);
    if (args.subject === undefined && gateway.channel === 'Email')
      throw bad('an e-mail needs a subject', 'Give it with --subject "...".');
    return queue(desk, store, args, {
      ...sendRequestOf(gateway, args),
      remoteAddress: args.to.trim(),
      subject: args.subject === undefined ? null : oneLine(args.subject),
      answers: null,
    });
  });
}

/** Queues the answer to a received message and prints what becomes of it. Returns the exit code, as deskSend. */
export function deskReply(desk: Desk, id: string, args: ReplyArgs): Promise<number> {
  return withStore(desk, (store) => {
    const message = findMessage(store, id, 'I');
    const gateways = store.reading.gateways();
    const gateway = args.gateway === undefined ? gatewayFor(message, gateways) : namedGateway(gateways, args.gateway);
    const subject = answerSubject(oneLine(message.SubjectField ?? ''));
    const { RemoteAddress: remoteAddress, MessageId: answers } = message;
    return queue(desk, store, args, { ...sendRequestOf(gateway, args), remoteAddress, subject, answers });
  });
}

function sendRequestOf(gateway: DeskGateway, { text, html }: Writing) {
  const { id: gatewayId, channel, displayName: fromField } = gateway;
  return { gatewayId, channel, fromField, bodyText: text, bodyHtml: html ?? null };
}

async function queue(desk: Desk, store: Store, { noWait }: Writing, sendRequest: NewSendRequest): Promise<number> {
  check(sendRequest);
  const { clock, out } = desk;
  const id = store.write(({ sendRequests, reading }) => {
    const queued = sendRequests.queue(sendRequest, clock.now());
    if (sendRequest.answers) reading.mark(sendRequest.answers, 'Answered', clock.now());
    return queued;
  });
  out(`Message ${shortId(id)} to ${oneLine(sendRequest.remoteAddress)} is queued.`);
  if (noWait) return SENT;
  const why = standstill(store, clock);
  if (why) {
    out(`${why} The message stays queued and goes out then.`);
    return OPEN;
  }
  return outcome(desk, store, id);
}

/** Prints each event of the send request as it comes, until it is sent or failed or patience ends. */
async function outcome(desk: Desk, store: Store, id: string): Promise<number> {
  const { clock, out, signal } = desk;
  const end = clock.monotonic() + PATIENCE_MS;
  let printed = 0;
  for (;;) {
    // The state first: it never runs ahead of the events printed after it.
    const state = store.reading.message(id)?.state;
    for (const event of store.events.of(id, printed)) {
      out(eventLine(event));
      printed = event.id;
    }
    if (state === 'Sent') return SENT;
    if (state === 'Failed') return FAILED;
    if (clock.monotonic() >= end || signal?.aborted) break;
    await sleep(clock, LOOK_MS, signal).catch(() => {});
  }
  out(`There is no outcome yet. The embedded server goes on trying; see it with: gatepost desk read ${shortId(id)}`);
  return OPEN;
}

function check({ remoteAddress, subject, bodyText, bodyHtml }: NewSendRequest): void {
  if (remoteAddress === '') throw bad('the address (--to) is empty', 'Give the address of the recipient.');
  if (!bodyText?.trim() && !bodyHtml?.trim())
    throw bad('there is no text', 'Give it with --text "..." or --html "...".');
  tooLong('the address', remoteAddress, LIMITS.RemoteAddress);
  tooLong('the subject', subject ?? '', LIMITS.SubjectField);
  tooLong('the text', bodyText ?? '', LONGEST_BODY);
  tooLong('the HTML', bodyHtml ?? '', LONGEST_BODY);
}

function tooLong(what: string, text: string, limit: number): void {
  if (text.length > limit)
    throw bad(`${what} has ${text.length} characters, at most ${limit} are allowed`, 'Shorten it.');
}

function bad(message: string, advice: string): GatepostError {
  return new GatepostError('desk/bad-request', message, { advice });
}

/** A gateway as agents name it. @throws GatepostError `desk/gateway` */
function namedGateway(gateways: readonly DeskGateway[], name: string): DeskGateway {
  const out = gateways.filter(({ direction }) => direction === 'O');
  const wanted = name.trim().toLowerCase();
  const exact = out.filter(({ id, displayName }) => id === wanted || displayName.toLowerCase() === wanted);
  const found = exact.length > 0 || wanted === '' ? exact : out.filter(({ id }) => id.startsWith(wanted));
  const [only, second] = found;
  if (only && !second) return only;
  const what = second
    ? `several outbound gateways are called "${oneLine(name)}"`
    : `no outbound gateway is called "${oneLine(name)}"`;
  throw gatewayError(what, second ? found : out);
}

/** The obvious gateway for an answer: the only one of its channel, else the one with the same id, else the same name. */
function gatewayFor(message: StoredMessage, gateways: readonly DeskGateway[]): DeskGateway {
  const fitting = gateways.filter(({ direction, channel }) => direction === 'O' && channel === message.channel);
  const [only, second] = fitting;
  if (only && !second) return only;
  const inbound = gateways.find(({ id, direction }) => id === message.GatewayId && direction === 'I');
  const sameId = fitting.filter(({ id }) => id === message.GatewayId);
  const sameName = fitting.filter(
    ({ displayName }) => displayName.toLowerCase() === inbound?.displayName.toLowerCase(),
  );
  const [own] = sameId.length === 1 ? sameId : sameName.length === 1 ? sameName : [];
  if (own) return own;
  throw gatewayError(
    `it is not clear through which gateway this ${message.channel} message is to be answered`,
    fitting,
    message.channel,
  );
}

function gatewayError(message: string, gateways: readonly DeskGateway[], channel?: Channel): GatepostError {
  const list = gateways.map(({ id, displayName }) => `${oneLine(displayName)} (${shortId(id)})`).join(', ');
  const none = `There is no outbound ${channel ? `${channel} ` : ''}gateway: add one to the gateways file, with direction O.`;
  return new GatepostError('desk/gateway', message, { advice: list ? `Name one with --gateway: ${list}.` : none });
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** "Re: " once, cut to what the field may hold without tearing a character apart. */
function answerSubject(subject: string): string {
  const whole = /^re\s*:/i.test(subject) ? subject : `Re: ${subject}`;
  if (whole.length <= LIMITS.SubjectField) return whole;
  let text = '';
  for (const { segment } of graphemes.segment(whole)) {
    if (text.length + segment.length >= LIMITS.SubjectField) break;
    text += segment;
  }
  return `${text}…`;
}
