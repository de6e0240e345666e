// A message of Twilio, sent or received, and the ways to ask for it.
import { GatepostError } from '../../src/driver/contract.js';
import type { Api, Client } from './api.js';
import { refusalOf } from './codes.js';

/** The members that the driver works with. Times are ms since the epoch. */
export interface Sms {
  readonly sid: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
  readonly status: string;
  readonly inbound: boolean;
  readonly serviceSid: string | null;
  readonly createdAt: number;
  readonly sentAt: number | null;
  readonly errorCode: number | null;
  readonly errorMessage: string | null;
  readonly media: number;
}

/** A message as the SDK hands it out. */
type Listed = Awaited<ReturnType<Client['messages']['page']>>['instances'][number];

/** Throws a TypeError when there is no message in it: an answer that is not Twilio's. */
export function smsOf(listed: Listed): Sms {
  if (typeof listed.sid !== 'string' || listed.sid === '') throw new TypeError('a message without a SID');
  const createdAt = timeOf(listed.dateCreated);
  const sentAt = timeOf(listed.dateSent);
  return {
    sid: listed.sid,
    from: listed.from ?? '',
    to: listed.to ?? '',
    body: listed.body ?? '',
    status: listed.status,
    inbound: listed.direction === 'inbound',
    serviceSid: listed.messagingServiceSid ?? null,
    createdAt: createdAt ?? sentAt ?? 0,
    sentAt,
    errorCode: listed.errorCode ?? null,
    errorMessage: listed.errorMessage ?? null,
    media: Number(listed.numMedia) || 0,
  };
}

/** When the message counts as sent: the list is sorted by this. */
export function sentTime({ sentAt, createdAt }: Sms): number {
  return sentAt ?? createdAt;
}

/** The SDK passes on what it cannot parse as a date. */
function timeOf(value: unknown): number | null {
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value.getTime() : null;
}

/** A message as it is now; undefined when the account has none of that SID. */
export async function fetchSms(api: Api, sid: string, signal: AbortSignal): Promise<Sms | undefined> {
  try {
    return await api.call(signal, async ({ client }) => smsOf(await client.messages(sid).fetch()));
  } catch (error) {
    if (refusalOf(error).status === 404) return undefined;
    throw error;
  }
}

export interface ListFilter {
  readonly to?: string;
  readonly from?: string;
  /** Only messages sent on the day (UTC) of this moment or later. */
  readonly sentSince?: number;
  readonly pageSize: number;
}

const DAY_MS = 86_400_000;
/** A list that goes on for longer is a fault of the other end: 2 million messages at 1,000 a page. */
const MAX_PAGES = 2_000;

/** The message list, newest first, page by page. */
export async function* pages(api: Api, filter: ListFilter, signal: AbortSignal): AsyncGenerator<readonly Sms[]> {
  const { to, from, sentSince, pageSize } = filter;
  const dateSentAfter = sentSince === undefined ? {} : { dateSentAfter: new Date(sentSince - (sentSince % DAY_MS)) };
  const params = { pageSize, ...dateSentAfter, ...(to && { to }), ...(from && { from }) };
  let next: string | undefined;
  for (let count = 0; count < MAX_PAGES; count++) {
    const here = next;
    const page = await api.call(signal, ({ client }) =>
      here === undefined ? client.messages.page(params) : client.messages.getPage(here),
    );
    yield page.instances.map(smsOf);
    next = page.nextPageUrl;
    if (next === undefined) return;
  }
  throw new GatepostError('twilio/endless', `the message list of Twilio does not end after ${MAX_PAGES} pages`);
}
