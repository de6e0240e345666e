// The state of the fake Twilio: the messages of one account, as the API shows them, and the list with its filters and pages.
import { randomBytes } from 'node:crypto';

export interface Medium {
  readonly sid: string;
  readonly type: string;
  readonly bytes: Buffer;
}

export interface Message {
  readonly sid: string;
  readonly direction: 'inbound' | 'outbound-api';
  readonly from: string | null;
  readonly to: string;
  readonly body: string;
  readonly serviceSid: string | null;
  /** Ms since the epoch; shown in whole seconds. */
  readonly createdAt: number;
  sentAt: number | null;
  status: string;
  errorCode: number | null;
  errorMessage: string | null;
  readonly media: readonly Medium[];
  readonly statusCallback: string | null;
}

export type NewMessage = Omit<Message, 'sid'>;

export interface Account {
  readonly sid: string;
  readonly messages: Message[];
  add(message: NewMessage): Message;
  find(sid: string): Message | undefined;
  /** The JSON of one message. */
  show(message: Message): object;
  /** The JSON of one page of the list, for these query parameters. */
  list(query: URLSearchParams): object;
}

export const sidOf = (kind: string) => kind + randomBytes(16).toString('hex');

export function accountOf(sid: string): Account {
  const messages: Message[] = [];
  const base = `/2010-04-01/Accounts/${sid}/Messages`;
  const show = (message: Message) => ({
    sid: message.sid,
    account_sid: sid,
    api_version: '2010-04-01',
    body: message.body,
    from: message.from,
    to: message.to,
    direction: message.direction,
    status: message.status,
    error_code: message.errorCode,
    error_message: message.errorMessage,
    messaging_service_sid: message.serviceSid,
    num_media: String(message.media.length),
    num_segments: '1',
    date_created: rfc2822(message.createdAt),
    date_updated: rfc2822(message.createdAt),
    date_sent: message.sentAt === null ? null : rfc2822(message.sentAt),
    price: null,
    price_unit: 'USD',
    uri: `${base}/${message.sid}.json`,
    subresource_uris: { media: `${base}/${message.sid}/Media.json` },
  });
  return {
    sid,
    messages,
    add(message) {
      const added = { ...message, sid: sidOf(message.media.length > 0 ? 'MM' : 'SM') };
      messages.push(added);
      return added;
    },
    find: (wanted) => messages.find((message) => message.sid === wanted),
    show,
    list(query) {
      const all = messages.filter((message) => matches(message, query));
      // Newest first; of one second the one that came last.
      const sorted = all
        .map((message, at) => ({ message, at }))
        .sort((a, b) => time(b.message) - time(a.message) || b.at - a.at);
      const size = Math.min(1_000, Math.max(1, Number(query.get('PageSize')) || 50));
      // A token is the last message of the page before, so that new ones at the top do not shift the pages.
      const after = query.get('PageToken')?.replace(/^PA/, '');
      const start = after === undefined ? 0 : sorted.findIndex(({ message }) => message.sid === after) + 1;
      const page = sorted.slice(start, start + size).map(({ message }) => message);
      const more = start + size < sorted.length;
      return {
        messages: page.map(show),
        page_size: size,
        page: Number(query.get('Page')) || 0,
        next_page_uri: more ? nextUri(base, query, page.at(-1)) : null,
        uri: `${base}.json?${query}`,
      };
    },
  };
}

function nextUri(base: string, query: URLSearchParams, last: Message | undefined): string {
  const next = new URLSearchParams(query);
  next.set('Page', String((Number(query.get('Page')) || 0) + 1));
  next.set('PageToken', `PA${last?.sid}`);
  return `${base}.json?${next}`;
}

const time = ({ sentAt, createdAt }: Message) => Math.floor((sentAt ?? createdAt) / 1_000);

function matches(message: Message, query: URLSearchParams): boolean {
  if (query.has('To') && query.get('To') !== message.to) return false;
  if (query.has('From') && query.get('From') !== message.from) return false;
  return [...query].every(([name, value]) => {
    if (!/^DateSent[<>]?$/.test(name)) return true;
    // Days in UTC; what has not been sent has no date and matches none.
    if (message.sentAt === null) return false;
    const [wanted, day] = [value.slice(0, 10), new Date(message.sentAt).toISOString().slice(0, 10)];
    if (name === 'DateSent') return day === wanted;
    return name === 'DateSent<' ? day <= wanted : day >= wanted;
  });
}

/** `Sun, 22 Nov 2026 10:00:00 +0000` */
function rfc2822(ms: number): string {
  return new Date(ms).toUTCString().replace('GMT', '+0000');
}
