import { isoTime } from '../../kit/clock.js';
import type { TextMessage, TextRules } from '../../model/content.js';
import { LIMITS } from '../../model/message.js';
import { withFooter } from '../footer.js';
import { textToHtml } from '../html/from-text.js';
import { boundaryBefore, cleanLine, cleanText, cutText } from '../limits.js';
import { plausibleTime, UNKNOWN_SENDER } from '../mail/parse/fields.js';
import type { ReadAttachment, ReadContext, ReadText } from '../reader.js';
import { attachmentId, madeId, shortId } from '../threading.js';
import { consentOf } from './keywords.js';
import { languageHint } from './language.js';
import { fingerprintOf, readMedia } from './media.js';
import { readSender, type Sender } from './numbers.js';

/** Characters that are shown: 255 parts are 39,015, and no channel that calls itself text carries more. */
const LONGEST_TEXT = 64 * 1024;
const TOO_LONG = 'The text is too long to be shown; the whole of it is attached.';
/** A sentence of a driver; one that quotes its counterparty may get long. */
const LONGEST_NOTE = 500;
/** Most notes that are shown. */
const MOST_NOTES = 50;

export function readText(message: TextMessage, rules: TextRules, context: ReadContext): ReadText {
  const id = cleanLine(message.providerId ?? '');
  const seed = madeId(context.gatewayId, Buffer.from(identity(message, id)));
  const from = readSender(message.from, rules.region);
  const text = shownText(message.text, seed, message.media.length === 0);
  const media = readMedia(message.media, seed);
  const attachments = [...text.attachments, ...media.attachments];
  const notes = notesOf(message, from, text.notes);
  const blocks = [{ text: text.shown, html: textToHtml(text.shown) }, ...media.shown];
  const bodies = withFooter(
    { text: joined(blocks.map((block) => block.text)), html: joined(blocks.map((block) => block.html)) },
    attachments,
    notes,
    context.link,
  );
  return {
    message: {
      ...fieldsOf(message, rules, from),
      DeliverySystemId: id === '' ? seed : shortId(id),
      BodyHtml: bodies.html,
      BodyText: bodies.text,
      Culture: languageHint(text.shown, from.country ?? rules.region),
    },
    attachments,
    rfcMessageId: null,
    references: null,
    notes,
    consent: message.consent ?? consentOf(message.text, rules.keywords),
  };
}

/** What the addresses and times give; a text message has no subject, and nobody else it went to. */
function fieldsOf(message: TextMessage, { region }: TextRules, from: Sender) {
  return {
    InReplyToId: null,
    FromField: from.display || UNKNOWN_SENDER,
    RemoteAddress: from.address || UNKNOWN_SENDER,
    ToField: cutText(readSender(message.to, region).display, LIMITS.ToField),
    ToCcField: null,
    ToBccField: null,
    Direction: 'I',
    ExtendedFields: null,
    ReceivedSentTime: isoTime(message.receivedAt),
    DraftTime: message.sentAt === null ? null : plausibleTime(message.sentAt, message.receivedAt),
    SubjectField: null,
    Mark: null,
    SpamLevel: null,
    Hierarchy: null,
    Rating: null,
  };
}

/** What tells this message from others: the counterparty's id, else who wrote what when. */
function identity({ from, to, text, sentAt, receivedAt, media }: TextMessage, id: string): string {
  if (id !== '') return JSON.stringify([id]);
  const files = media.map(({ name, type, bytes }) => [name, type, fingerprintOf(bytes)]);
  return JSON.stringify([from, to, text, sentAt ?? receivedAt, files]);
}

interface Shown {
  readonly shown: string;
  readonly attachments: readonly ReadAttachment[];
  readonly notes: readonly string[];
}

/** `alone`: nothing came with the text, so that a message without any is an empty one. */
function shownText(given: string, seed: string, alone: boolean): Shown {
  const shown = cleanText(given.slice(0, boundaryBefore(given, LONGEST_TEXT))).trimEnd();
  const notes = shown.trim() === '' && alone ? ['The message has no text.'] : [];
  if (given.length <= LONGEST_TEXT) return { shown, attachments: [], notes };
  const whole = { id: attachmentId(seed, 'text'), name: 'message.txt', type: 'text/plain', bytes: Buffer.from(given) };
  return { shown, attachments: [whole], notes: [TOO_LONG] };
}

function notesOf(message: TextMessage, from: Sender, own: readonly string[]): string[] {
  const said = message.notes.map((note) => cutText(cleanLine(note), LONGEST_NOTE)).filter((note) => note !== '');
  const notes = [...said.slice(0, MOST_NOTES), ...own];
  if (said.length > MOST_NOTES) notes.push(`${said.length - MOST_NOTES} more notes are left out.`);
  if (!from.known) notes.push(senderNote(from));
  return [...new Set(notes)];
}

function senderNote({ address }: Sender): string {
  if (address === '') return 'The message names no sender that could be answered.';
  return `The sender's number ${cutText(address, 60)} is shown as it came: its country code cannot be told.`;
}

function joined(blocks: readonly string[]): string {
  return blocks.filter((block) => block !== '').join('\n');
}
