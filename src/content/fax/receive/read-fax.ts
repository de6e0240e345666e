import { isoTime } from '../../../kit/clock.js';
import type { FaxDocument, FaxRules } from '../../../model/content.js';
import { LIMITS } from '../../../model/message.js';
import { withFooter } from '../../footer.js';
import { cleanLine, cutText } from '../../limits.js';
import { safeName } from '../../mail/parse/names.js';
import type { ReadAttachment, ReadContext, ReadMessage } from '../../reader.js';
import { attachmentId, madeId, shortId } from '../../threading.js';
import type { PagesRead } from '../process/page-task.js';
import { pagesWords, showFax } from './bodies.js';
import { type Caller, callerOf, numberOf } from './caller.js';
import { examine, type FaxDeps, type Format, formatOf, NO_PAGES, PDF_TYPE } from './examine.js';

/** Sentences from the driver, and from the file. */
const MAX_NOTES = 50;
const MAX_NOTE_LENGTH = 500;

type Rules = Pick<FaxRules, 'region'>;

export async function readFax(
  fax: FaxDocument,
  rules: Rules,
  context: ReadContext,
  deps: FaxDeps,
): Promise<ReadMessage> {
  const title = titleOf(callerOf(fax, rules.region), '');
  return messageOfFax(fax, rules, context, await examine(fax, title, deps, context.signal));
}

/** The message without pages, text and attachments. */
export function summarizeFax(fax: FaxDocument, rules: Rules, context: ReadContext): ReadMessage {
  return { ...messageOfFax(fax, rules, context, NO_PAGES), attachments: [] };
}

function messageOfFax(fax: FaxDocument, rules: Rules, context: ReadContext, read: PagesRead): ReadMessage {
  const caller = callerOf(fax, rules.region);
  const format = formatOf(fax.raw);
  const count = read.count ?? fax.pages;
  const brokeOff = fax.problem !== null || (fax.expectedPages !== null && count !== null && fax.expectedPages > count);
  const title = titleOf(caller, pagesWords(count, fax.expectedPages, brokeOff));
  const id = cleanLine(fax.providerId ?? '');
  const seed = seedOf(fax, context.gatewayId);
  const attachments = attachmentsOf(fax, format, read, caller, seed);
  const notes = notesOf(fax, format, read, brokeOff);
  const called = numberOf(fax.to, rules.region)?.shown ?? cleanLine(fax.to ?? '');
  const pages = { ...read, count, documentEnds: read.pdf?.lastPage ?? 0 };
  const shown = showFax({ title, fax, called, pages, original: format?.name ?? 'file' });
  const bodies = withFooter(shown, attachments, notes, context.link);
  return {
    message: {
      ...fieldsOf(fax, caller, title, called),
      DeliverySystemId: id === '' ? seed : shortId(id),
      BodyHtml: bodies.html,
      BodyText: bodies.text,
    },
    attachments,
    rfcMessageId: null,
    references: null,
    notes,
  };
}

function titleOf(caller: Caller, pages: string): string {
  return pages === '' ? `Fax from ${caller.shown}` : `Fax from ${caller.shown}, ${pages}`;
}

function fieldsOf(fax: FaxDocument, caller: Caller, title: string, called: string) {
  return {
    InReplyToId: null,
    FromField: caller.from,
    RemoteAddress: caller.remote,
    ToField: cutText(called, LIMITS.ToField),
    ToCcField: null,
    ToBccField: null,
    Direction: 'I',
    ExtendedFields: null,
    ReceivedSentTime: isoTime(fax.receivedAt),
    DraftTime: null,
    SubjectField: cutText(title, LIMITS.SubjectField),
    Culture: null,
    Mark: null,
    SpamLevel: null,
    Hierarchy: null,
    Rating: null,
  };
}

/** The same for every reading of a fax; the same pages sent twice are two faxes. */
function seedOf({ raw, from, to, receivedAt, providerId }: FaxDocument, gatewayId: string): string {
  return madeId(gatewayId, Buffer.from(JSON.stringify([madeId(gatewayId, raw), from, to, receivedAt, providerId])));
}

function attachmentsOf(
  fax: FaxDocument,
  format: Format | undefined,
  read: PagesRead,
  caller: Caller,
  seed: string,
): ReadAttachment[] {
  const base = ['fax', isoTime(fax.receivedAt).slice(0, 10), ...(caller.mark === '' ? [] : [caller.mark])].join('-');
  const attachments: ReadAttachment[] = [];
  if (read.pdf) {
    const name = safeName(format?.kind === 'pdf' ? `${base}-searchable.pdf` : `${base}.pdf`, 'fax.pdf');
    attachments.push({ id: attachmentId(seed, 'pdf'), name, type: PDF_TYPE, bytes: read.pdf.bytes });
  }
  if (fax.raw.byteLength > 0) {
    const name = safeName(`${base}.${format?.extension ?? 'bin'}`, 'fax.bin');
    const type = format?.type ?? 'application/octet-stream';
    attachments.push({ id: attachmentId(seed, 'original'), name, type, bytes: fax.raw });
  }
  return attachments;
}

function notesOf(fax: FaxDocument, format: Format | undefined, read: PagesRead, brokeOff: boolean): string[] {
  const notes: string[] = [];
  if (brokeOff) {
    const why = fax.problem === null ? '' : `: ${cutText(cleanLine(fax.problem), MAX_NOTE_LENGTH)}`;
    notes.push(`The fax is not complete${why}.`);
  }
  if (fax.pages !== null && read.count !== null && fax.pages !== read.count) {
    notes.push(`The call had ${pagesWords(fax.pages, null, false)}, the file holds ${read.count}.`);
  }
  const driverNotes = fax.notes.map((note) => cutText(cleanLine(note), MAX_NOTE_LENGTH)).filter((note) => note !== '');
  notes.push(...driverNotes.slice(0, MAX_NOTES), ...capped(read.notes));
  if (format?.kind === 'pdf' && hasActiveContent(fax.raw)) notes.push(ACTIVE);
  if (read.ocrMissing !== null) notes.push(`No text was recognized: ${read.ocrMissing}`);
  return [...new Set(notes)];
}

/** A damaged file of 200 pages has 200 notes. */
function capped(notes: readonly string[]): string[] {
  if (notes.length <= MAX_NOTES) return [...notes];
  return [...notes.slice(0, MAX_NOTES), `${notes.length - MAX_NOTES} more notes are left out.`];
}

const ACTIVE = 'The PDF holds a script, a program call or an embedded file, which no fax does. Open it with care.';
const ACTIVE_NAMES = ['/JavaScript', '/Launch', '/EmbeddedFile'];
/** Bytes searched. Names in compressed parts are not found; this is a hint, not a guard. */
const MAX_SEARCHED = 8 * 1024 * 1024;

function hasActiveContent(raw: Uint8Array): boolean {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, MAX_SEARCHED));
  return ACTIVE_NAMES.some((name) => bytes.includes(name));
}
