import { yieldToEventLoop } from '../../../kit/clock.js';
import { messageOf } from '../../../kit/errors.js';
import type { Rendered } from '../../footer.js';
import { textToHtml } from '../../html/from-text.js';
import { stripTags } from '../../html/strip-tags.js';
import { boundaryBefore, cleanText, humanSize } from '../../limits.js';
import type { Piece } from './attachments.js';
import type { Extracted } from './extract-attachments.js';
import type { FoundAttachment } from './found-attachment.js';

/** Characters of either body. The server's frame holds 32 MiB, and no agent reads a megabyte. */
const LONGEST_TEXT = 1_500_000;
const LONGEST_HTML = 6_000_000;

export interface Bodies {
  readonly html: string;
  readonly text: string;
  readonly notes: readonly string[];
  /** Images that the HTML does not show. */
  readonly unshown: readonly FoundAttachment[];
}

export interface BodyBudget {
  /** Bytes of images put into the HTML; more stay attachments. */
  readonly imageBytes: number;
}

/** One piece in both forms; each is made only when it is asked for. */
interface View {
  html(): string;
  text(): string;
}

/** Gives the event loop a turn between its steps: each alone is short for a mail that is read in the main thread. */
export async function makeBodies(
  extracted: Extracted,
  texts: ReadonlyMap<Piece, string>,
  budget: BodyBudget,
): Promise<Bodies> {
  const notes: string[] = [];
  const shown = new Set<string>();
  const image = imageSource(extracted, budget, shown, notes);
  const views = new Map<Piece, View>();
  for (const piece of new Set([...extracted.html, ...extracted.text])) {
    const source = texts.get(piece) ?? '';
    views.set(piece, piece.kind === 'html' ? htmlView(source, image, notes, await htmlReading()) : textView(source));
  }
  const pick = (pieces: readonly Piece[], form: keyof View) =>
    pieces.map((piece) => views.get(piece)?.[form]() ?? '').filter((part) => part.trim() !== '');
  const html = pick(extracted.html, 'html').join('<br>\n') || pick(extracted.text, 'html').join('<br>\n');
  await yieldToEventLoop();
  const text = pick(extracted.text, 'text').join('\n\n') || pick(extracted.html, 'text').join('\n\n');
  if (text === '' && extracted.fallbackText === '') notes.push('The mail has no text.');
  const spare = cleanText(extracted.fallbackText).trim();
  const bodies = bounded(text || spare, html || textToHtml(spare), notes);
  const unshown = [...extracted.images].filter(([cid]) => !shown.has(cid)).map(([, attachment]) => attachment);
  return { ...bodies, notes, unshown };
}

function textView(source: string): View {
  return { text: () => source.trimEnd(), html: () => textToHtml(source.trimEnd()) };
}

interface HtmlReading {
  readonly cleanHtml: typeof import('../../html/clean.js').cleanHtml;
  readonly htmlToText: typeof import('../../html/text.js').htmlToText;
}

/** Loaded by the first HTML: a mail without any is read at a fifth of the cost. The reader of the service loads it at its start. */
async function htmlReading(): Promise<HtmlReading> {
  const [{ cleanHtml }, { htmlToText }] = await Promise.all([
    import('../../html/clean.js'),
    import('../../html/text.js'),
  ]);
  return { cleanHtml, htmlToText };
}

function htmlView(
  source: string,
  image: (cid: string) => string | undefined,
  notes: string[],
  { cleanHtml, htmlToText }: HtmlReading,
): View {
  const read = lazily(() => {
    try {
      const cleaned = cleanHtml(source, { image });
      notes.push(...cleaned.notes);
      return { html: cleaned.html, text: lazily(() => htmlToText(cleaned.html).trim()) };
    } catch (error) {
      notes.push(`The HTML of the mail could not be read (${messageOf(error)}); only its text is shown.`);
      const text = stripTags(source);
      return { html: textToHtml(text), text: () => text };
    }
  });
  return { html: () => read().html, text: () => read().text() };
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function imageSource(extracted: Extracted, budget: BodyBudget, shown: Set<string>, notes: string[]) {
  let room = budget.imageBytes;
  const sources = new Map<string, string>();
  return (cid: string): string | undefined => {
    const key = cid.trim().toLowerCase();
    const known = sources.get(key);
    if (known !== undefined) return known;
    const found = extracted.images.get(key) ?? extracted.enclosedImages.get(key);
    if (!found) return undefined;
    if (found.bytes.length > room) {
      notes.push(
        `Image "${found.name}" (${humanSize(found.bytes.length)}) is too large to be shown in the text; it is attached.`,
      );
      return undefined;
    }
    room -= found.bytes.length;
    const source = `data:${found.type};base64,${found.bytes.toString('base64')}`;
    sources.set(key, source);
    shown.add(key);
    return source;
  };
}

function bounded(text: string, html: string, notes: string[]): Rendered {
  const short = text.length > LONGEST_TEXT ? text.slice(0, boundaryBefore(text, LONGEST_TEXT)) : text;
  if (short.length < text.length) notes.push('The text was cut, because it is too long.');
  if (html.length <= LONGEST_HTML) return { text: short, html };
  notes.push('The HTML of the mail is too long; its text is shown instead.');
  return { text: short, html: textToHtml(short) };
}
