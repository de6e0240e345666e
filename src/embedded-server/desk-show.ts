import { convert } from 'html-to-text';
import { clean, localMinute, localSecond, oneLine, table } from '../kit/terminal.js';
import { type Desk, findMessage, shortId, standstill, withStore } from './desk-store.js';
import type { MessageEvent } from './events.js';
import type { DeskGateway, MessageSummary, StoredMessage } from './reading.js';
import type { Store } from './store.js';

export interface ListArgs {
  /** The newest so many; 20 when absent. */
  limit?: number | undefined;
}

const DEFAULT_LIMIT = 20;
const DEFAULT_COLUMNS = 100;
const DAY_MS = 86_400_000;
/** A body without text is turned into text for reading; more of it than this no one reads on a terminal. UTF-16 units. */
const LONGEST_HTML = 200_000;

/** Prints the newest received messages. Returns the exit code. */
export function deskInbox(desk: Desk, args: ListArgs = {}): Promise<number> {
  return withStore(desk, (store) => {
    const { out, columns = DEFAULT_COLUMNS } = desk;
    const messages = store.reading.list('I', args.limit ?? DEFAULT_LIMIT);
    const name = namer(store.reading.gateways());
    const rows = messages.map((message) => [
      message.state === 'New' ? '*' : ' ',
      shortId(message.MessageId),
      localMinute(message.created_at),
      message.FromField || message.RemoteAddress,
      message.SubjectField || '(no subject)',
      name(message),
      message.state.toLowerCase(),
    ]);
    const titles = [
      { title: ' ' },
      { title: 'id' },
      { title: 'received' },
      { title: 'from', grow: 2 },
      { title: 'subject', grow: 3 },
      { title: 'gateway', grow: 1 },
      { title: 'state' },
    ];
    if (rows.length > 0) out(table(titles, rows, columns));
    out(inboxFoot(store, messages));
    tellRefusals(store, desk);
    tellStandstill(store, desk);
    return 0;
  });
}

function inboxFoot({ reading }: Store, messages: readonly MessageSummary[]): string {
  const [newest] = messages;
  if (!newest) return 'The inbox is empty.';
  const shown = `${messages.length} of ${reading.count('I')} messages`;
  return `\n${shown}. Read one with: gatepost desk read ${shortId(newest.MessageId)}`;
}

function tellRefusals({ events }: Store, { clock, out }: Desk): void {
  const refused = events.general(clock.now() - DAY_MS, 100);
  const [last] = refused;
  if (!last) return;
  const count = refused.length === 100 ? '100 or more' : String(refused.length);
  out(`Refused in the last 24 h: ${count}. The last, ${localMinute(last.at)}: ${oneLine(last.text)}`);
}

/** Prints the newest send requests with the last word on each. Returns the exit code. */
export function deskOutbox(desk: Desk, args: ListArgs = {}): Promise<number> {
  return withStore(desk, (store) => {
    const { out, columns = DEFAULT_COLUMNS } = desk;
    const sendRequests = store.reading.list('O', args.limit ?? DEFAULT_LIMIT);
    const rows = sendRequests.map((sendRequest) => [
      shortId(sendRequest.MessageId),
      localMinute(sendRequest.created_at),
      sendRequest.RemoteAddress,
      sendRequest.SubjectField || '(no subject)',
      sendRequest.state.toLowerCase(),
      store.events.of(sendRequest.MessageId).at(-1)?.text ?? '',
    ]);
    const titles = [
      { title: 'id' },
      { title: 'written' },
      { title: 'to', grow: 2 },
      { title: 'subject', grow: 2 },
      { title: 'state' },
      { title: 'last word', grow: 3 },
    ];
    out(rows.length > 0 ? table(titles, rows, columns) : 'The outbox is empty.');
    tellStandstill(store, desk);
    return 0;
  });
}

/** Prints one message whole: headers, text, what happened to it; a new one counts as read then. Returns the exit code. */
export function deskRead(desk: Desk, id: string): Promise<number> {
  return withStore(desk, (store) => {
    const message = findMessage(store, id);
    const { out, clock } = desk;
    out(headers(message, namer(store.reading.gateways())(message)));
    out(`\n${bodyOf(message)}\n`);
    out(['Events', ...store.events.of(message.MessageId).map(eventLine)].join('\n'));
    if (message.state === 'New') store.write(({ reading }) => reading.mark(message.MessageId, 'Read', clock.now()));
    if (message.Direction === 'I') out(`\nAnswer with: gatepost desk reply ${shortId(message.MessageId)} --text "..."`);
    return 0;
  });
}

export function eventLine({ at, text }: MessageEvent): string {
  return `  ${localSecond(at)}  ${oneLine(text)}`;
}

export function tellStandstill(store: Store, { clock, out }: Desk): void {
  const why = standstill(store, clock);
  if (why) out(why);
}

function headers(message: StoredMessage, gateway: string): string {
  const { Direction: direction, ReceivedSentTime: time } = message;
  const lines: [string, string | null][] = [
    ['From', message.FromField],
    [direction === 'I' ? 'Reply to' : 'To', message.RemoteAddress],
    [direction === 'I' ? 'To' : 'Shown to', message.ToField === message.RemoteAddress ? null : message.ToField],
    ['Cc', message.ToCcField],
    ['Bcc', message.ToBccField],
    ['Subject', message.SubjectField],
    [direction === 'I' ? 'Received' : 'Handed', time ? localSecond(new Date(time).getTime()) : null],
    ['Gateway', `${gateway} (${message.channel})`],
    ['Answer to', message.InReplyToId ?? message.answers],
    ['Id', message.MessageId],
    ['Outside id', message.DeliverySystemId],
    ['State', message.state.toLowerCase()],
  ];
  return lines.flatMap(([label, value]) => (value ? [`${label.padEnd(10)}  ${oneLine(value)}`] : [])).join('\n');
}

function bodyOf({ BodyText, BodyHtml }: StoredMessage): string {
  if (BodyText?.trim()) return clean(BodyText).trim();
  if (!BodyHtml?.trim()) return '(no text)';
  const limits = { maxDepth: 100, maxChildNodes: 10_000, ellipsis: '…' };
  return clean(convert(BodyHtml.slice(0, LONGEST_HTML), { wordwrap: false, limits })).trim() || '(no text)';
}

type OfGateway = Pick<MessageSummary, 'GatewayId' | 'Direction'>;

function namer(gateways: readonly DeskGateway[]): (message: OfGateway) => string {
  return ({ GatewayId, Direction }) => {
    const found = gateways.find(({ id, direction }) => id === GatewayId && direction === Direction);
    return found?.displayName ?? shortId(GatewayId);
  };
}
