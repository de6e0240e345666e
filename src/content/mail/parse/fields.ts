import { isoTime } from '../../../kit/clock.js';
import type { RawMail } from '../../../model/content.js';
import { LIMITS } from '../../../model/message.js';
import { cleanLine, cutList, cutText, shownLine } from '../../limits.js';
import type { ReadMessage } from '../../reader.js';
import { answeredId, looseIds, madeId, messageIdOf, referencesFor, shortId } from '../../threading.js';
import { isAddress } from '../address-parts.js';
import { cleanName, formatAddress } from '../addresses.js';
import type { AddressField, Mailbox } from './address-fields.js';
import { headerText, mendHeader } from './header-text.js';
import type { Headers } from './headers.js';
import { mailDate } from './mail-date.js';
import type { Parsed } from './mailparser.js';

/** Stands where the sender's address is mandatory and the mail names none. */
export const UNKNOWN_SENDER = 'unknown';
/** Mail is not older than the format; a Date before it is a broken clock. */
const EARLIEST = Date.UTC(1980, 0, 1);
/** A sender's clock may be wrong by this much. */
const CLOCK_SLACK_MS = 48 * 3_600_000;
/** Of a Date field no more is read. */
const LONGEST_DATE = 400;
/** Longer ids are cut. */
const LONGEST_ID = 2_000;

export type Fields = Omit<ReadMessage['message'], 'BodyHtml' | 'BodyText'>;

export interface FieldsRead {
  readonly fields: Fields;
  readonly rfcMessageId: string | null;
  readonly references: string | null;
  readonly notes: readonly string[];
}

export interface FieldsInput {
  readonly mail: RawMail;
  readonly gatewayId: string;
  readonly headers: Headers;
  readonly bodyCharset: string | undefined;
  readonly parsed: Pick<Parsed, 'addresses' | 'unread' | 'subject'>;
}

export function readFields(input: FieldsInput): FieldsRead {
  const { mail, headers, parsed } = input;
  const notes: string[] = [];
  const ids = threading(input);
  const remote = remoteAddress(input);
  if (remote === UNKNOWN_SENDER) notes.push('The mail names no sender that could be answered.');
  if (headers.count('from') > 1) {
    notes.push(`The mail has ${headers.count('from')} From fields; the first is shown. The sender may be forged.`);
  }
  const to = list(parsed, 'to', LIMITS.ToField);
  const fields: Fields = {
    DeliverySystemId: ids.deliverySystemId,
    InReplyToId: ids.inReplyToId,
    FromField: fromField(parsed, remote),
    RemoteAddress: remote,
    ToField: to ?? cutList((mail.envelope?.recipients ?? []).map(cleanLine), LIMITS.ToField),
    ToCcField: list(parsed, 'cc', LIMITS.ToCcField),
    ToBccField: list(parsed, 'bcc', LIMITS.ToBccField),
    Direction: 'I',
    ExtendedFields: null,
    ReceivedSentTime: isoTime(mail.receivedAt),
    DraftTime: draftTime(headers.all('date'), mail.receivedAt),
    SubjectField: cutText(shownLine(parsed.subject), LIMITS.SubjectField),
    Culture: culture(headers.get('content-language')),
    Mark: null,
    SpamLevel: null,
    Hierarchy: null,
    Rating: null,
  };
  return { fields, rfcMessageId: ids.rfcMessageId, references: ids.references, notes };
}

function threading({ mail, gatewayId, headers, bodyCharset }: FieldsInput) {
  const text = (name: string) => idText(headers.all(name).find((value) => value.trim() !== '') ?? '', bodyCharset);
  const whole = messageIdOf(text('message-id'));
  const own = looseIds(text('references'));
  const answered = answeredId(text('in-reply-to'), own);
  const rfcMessageId = whole === null ? null : whole.slice(0, LONGEST_ID);
  return {
    deliverySystemId: shortId(whole ?? madeId(gatewayId, mail.raw)),
    inReplyToId: answered === null ? null : shortId(answered),
    rfcMessageId,
    references: referencesFor(own, rfcMessageId),
  };
}

/** RFC 2047 5 allows no encoded words here; programs that write them mean what they decode to. An id may hold "=?" itself. */
function idText(value: string, bodyCharset: string | undefined): string {
  const decoded = value.includes('=?') ? headerText(value, bodyCharset) : '';
  return looseIds(decoded).length > 0 ? decoded : mendHeader(value, bodyCharset);
}

/** Where an answer goes: Reply-To, From, Sender, the envelope; the first that is an address, else the first that is anything. */
function remoteAddress({ mail, parsed }: FieldsInput): string {
  const precedence: AddressField[] = ['reply-to', 'from', 'sender', 'return-path'];
  const found = precedence.flatMap((name) => parsed.addresses.get(name) ?? []).map((mailbox) => mailbox.address);
  const candidates = [...found, cleanLine(mail.envelope?.from ?? '').replace(/[<>]/g, '')].filter(
    (address) => address !== '' && address.length <= LIMITS.RemoteAddress,
  );
  return candidates.find(isAddress) ?? candidates[0] ?? UNKNOWN_SENDER;
}

function fromField(parsed: FieldsInput['parsed'], remote: string): string {
  const from = parsed.addresses.get('from') ?? [];
  const senders = from.length > 0 ? from : (parsed.addresses.get('sender') ?? []);
  if (senders.length === 0) return cutText(remote, LIMITS.FromField);
  return cutList(
    senders.map((mailbox) => display(mailbox, LIMITS.FromField)),
    LIMITS.FromField,
  );
}

/** `Name <address>`, at most `max` long: of a name that is too long the end goes, the address stays whole. */
function display(mailbox: Mailbox, max: number): string {
  const { address } = mailbox;
  const name = cleanName(mailbox.name);
  if (name === '' || name === address) return cutText(address, max);
  const whole = formatAddress({ name, address });
  if (whole.length <= max) return whole;
  const room = max - (whole.length - name.length);
  if (address === '' || room < 4) return cutText(address || name, max);
  return formatAddress({ name: cutText(name, room), address });
}

function list(parsed: FieldsInput['parsed'], name: AddressField, max: number): string | null {
  const entries = (parsed.addresses.get(name) ?? []).map((mailbox) => display(mailbox, max));
  const text = cutList(entries, max, parsed.unread.get(name) ?? 0);
  return text === '' ? null : text;
}

/** RFC 5322 3.6 allows one Date; of several the first that can be read counts. */
function draftTime(values: readonly string[], receivedAt: number): string | null {
  const time = values
    .map((value) => mailDate(headerText(value.slice(0, LONGEST_DATE))))
    .find((read) => read !== undefined);
  return time === undefined ? null : plausibleTime(time, receivedAt);
}

/** `time` (ms since the epoch) as the server stores it; null when only a broken clock can have said so. */
export function plausibleTime(time: number, receivedAt: number): string | null {
  if (Number.isNaN(time) || time < EARLIEST || time > receivedAt + CLOCK_SLACK_MS) return null;
  return isoTime(time);
}

/** The first language of Content-Language (RFC 3282) in its canonical form. */
function culture(value: string | undefined): string | null {
  const tag = cleanLine(value ?? '').split(/[,;\s(]/)[0] ?? '';
  if (!/^[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}$/i.test(tag)) return null;
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? null;
  } catch {
    return null;
  }
}
