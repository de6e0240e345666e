// The reduced reading, the last resort: what the first bytes of a mail tell, with the whole original attached and the reason in the
// notes. It uses none of the code of the full reading, which has just failed on these bytes, and no library. A test keeps it so.
import { isoTime } from '../../../kit/clock.js';
import { idsOf } from '../../../kit/references.js';
import type { RawMail } from '../../../model/content.js';
import { LIMITS } from '../../../model/message.js';
import { escapeHtml } from '../../html/escape.js';
import { cleanLine, cutList, cutText, humanSize } from '../../limits.js';
import { answeredId, madeId, messageIdOf, referencesFor, shortId } from '../../threading.js';
import type { ParsedMail } from './parse-mail.js';
import { plainExcerpt } from './plain-body.js';
import { type PlainHeader, plainHeader, plainWords } from './plain-header.js';

/** What is looked at. Small enough that no content of it can take long. */
const LOOKED_AT = 64 * 1024;
const LONGEST_FIELD = 2_000;
const LONGEST_ID = 2_000;
/** As in the full reading. */
const UNKNOWN = 'unknown';
/** A sender's clock may be wrong by this much. */
const CLOCK_SLACK_MS = 48 * 3_600_000;

export function fallbackMail(mail: RawMail, gatewayId: string, reason: string): ParsedMail {
  const text = Buffer.from(mail.raw.buffer, mail.raw.byteOffset, Math.min(mail.raw.byteLength, LOOKED_AT)).toString(
    'latin1',
  );
  const header = plainHeader(text, 0);
  const excerpt = excerptOf(text, header);
  const rfcMessageId = messageIdOf(header.first('message-id'))?.slice(0, LONGEST_ID) ?? null;
  const references = idsOf(header.first('references'));
  return {
    fields: fieldsOf(mail, gatewayId, header, references),
    text: excerpt,
    html: excerpt === '' ? '' : `<p>${escapeHtml(excerpt).replaceAll('\n', '<br>\n')}</p>`,
    attachments: [],
    attachOriginal: mail.cut === undefined,
    rfcMessageId,
    references: referencesFor(references, rfcMessageId),
    notes: notesOf(mail, header, reason),
  };
}

function excerptOf(text: string, header: PlainHeader): string {
  try {
    return plainExcerpt(text, header);
  } catch {
    return '';
  }
}

function fieldsOf(mail: RawMail, gatewayId: string, header: PlainHeader, references: readonly string[]) {
  const id = messageIdOf(header.first('message-id'));
  const answered = answeredId(header.first('in-reply-to'), references);
  const remote = remoteAddress(mail, header);
  const recipients = (mail.envelope?.recipients ?? []).map(cleanLine);
  return {
    DeliverySystemId: shortId(id ?? madeId(gatewayId, mail.raw)),
    InReplyToId: answered === null ? null : shortId(answered),
    FromField: cutText(line(header, 'from') || line(header, 'sender') || remote, LIMITS.FromField),
    RemoteAddress: remote,
    ToField: list(header, 'to', LIMITS.ToField) ?? cutList(recipients, LIMITS.ToField),
    ToCcField: list(header, 'cc', LIMITS.ToCcField),
    ToBccField: list(header, 'bcc', LIMITS.ToBccField),
    Direction: 'I' as const,
    ExtendedFields: null,
    ReceivedSentTime: isoTime(mail.receivedAt),
    DraftTime: draftTime(header.first('date'), mail.receivedAt),
    SubjectField: cutText(line(header, 'subject'), LIMITS.SubjectField),
    Culture: null,
    Mark: null,
    SpamLevel: null,
    Hierarchy: null,
    Rating: null,
  };
}

function notesOf(mail: RawMail, header: PlainHeader, reason: string): string[] {
  const size = humanSize(mail.cut?.size ?? mail.raw.byteLength);
  const whole = mail.cut === undefined ? ' The whole mail is attached.' : '';
  const notes = [`This mail (${size}) could not be read in full: ${reason}.${whole}`];
  if (mail.cut) notes.push(`Only the beginning of the mail arrived: ${mail.cut.reason}`);
  if (remoteAddress(mail, header) === UNKNOWN) notes.push('The mail names no sender that could be answered.');
  const senders = header.all('from').length;
  if (senders > 1) notes.push(`The mail has ${senders} From fields; the first is shown. The sender may be forged.`);
  return notes;
}

function line(header: PlainHeader, name: string): string {
  return cleanLine(plainWords(header.first(name).slice(0, LONGEST_FIELD)));
}

function list(header: PlainHeader, name: string, max: number): string | null {
  const text = line(header, name);
  return text === '' ? null : cutText(text, max);
}

const ADDRESS = /[^\s<>()[\]",;:@]{1,64}@[^\s<>()[\]",;:@]{1,190}/;

/** Where an answer goes, by a plain pattern: enough to know whom to answer. */
function remoteAddress(mail: RawMail, header: PlainHeader): string {
  const candidates = ['reply-to', 'from', 'sender', 'return-path'].map((name) => line(header, name));
  for (const candidate of [...candidates, cleanLine(mail.envelope?.from ?? '')]) {
    const address = ADDRESS.exec(candidate)?.[0];
    if (address !== undefined && address.length <= LIMITS.RemoteAddress) return address;
  }
  return UNKNOWN;
}

/** RFC 5322 3.3, with its zone; anything else is left to the attached original. */
function draftTime(value: string, receivedAt: number): string | null {
  const text = cleanLine(value).slice(0, 60);
  const time = /\d [+-]\d{4}\b|\bGMT\b/.test(text) ? Date.parse(text) : Number.NaN;
  return time > 0 && time < receivedAt + CLOCK_SLACK_MS ? isoTime(time) : null;
}
