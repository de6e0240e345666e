// The body of an outgoing fax: the cleaned HTML of the send request, or its text as HTML. Each inline picture is replaced by a mark,
// which the layouts replace by the dithered picture.
import type { MessageContentInfo } from '../../../model/message.js';
import { MAX_HTML } from '../../html/bounds.js';
import { cleanHtml } from '../../html/clean.js';
import { textToHtml } from '../../html/from-text.js';
import { imageData } from '../../html/links.js';
import { type AttributeSpans, readMarkup } from '../../html/markup.js';
import { htmlToText } from '../../html/text.js';
import { cleanText } from '../../limits.js';
import { MAX_PAGES, tooManyPages } from './page.js';

export interface FaxBody {
  /** Safe to show as it is: no script, nothing loaded from elsewhere. */
  readonly html: string;
  /** The same as text, the mark of a picture (see `pictureIn`) on a line of its own. */
  readonly text: string;
  /** The send request had text only, so blanks and line breaks stay. */
  readonly plain: boolean;
  /** The files of its pictures, by the number in their marks. */
  readonly pictures: readonly Uint8Array[];
}

export type BodyResult = { ok: true; body: FaxBody } | { ok: false; problem: string };

/** Pictures of one message. */
const MAX_PICTURES = 100;
/** Base64 characters of one picture: about 20 MB, more than any camera makes. */
const MAX_PICTURE_DATA = 27_000_000;
/** A page of nothing but text holds about this many characters. */
const CHARACTERS_PER_PAGE = 4_000;
const MARK = /<img src="data:image\/png;base64,faxpicture(\d{1,3})"([^<>]*)>/g;

/** The bodies of a send request. */
export type Bodies = Pick<MessageContentInfo, 'BodyHtml' | 'BodyText'>;

/** The body to fax. Never throws for anything in the send request. */
export function bodyOf(sendRequest: Bodies): BodyResult {
  const marked = withMarks(printable(sendRequest.BodyHtml));
  if (marked.html.length > MAX_HTML) return tooLong(marked.html.length);
  const html = cleanHtml(marked.html, { image: () => undefined }).html;
  const text = html === '' ? '' : htmlToText(withPictures(html, pictureLine));
  if (text.trim() !== '') return { ok: true, body: { html, text, plain: false, pictures: marked.pictures } };
  return plainBody(printable(sendRequest.BodyText));
}

function plainBody(text: string): BodyResult {
  if (text.trim() === '') return { ok: false, problem: 'the message has no text: there is nothing to fax' };
  const most = MAX_PAGES * CHARACTERS_PER_PAGE;
  if (text.length > most) return { ok: false, problem: tooManyPages(text.length / CHARACTERS_PER_PAGE, true) };
  // One paragraph per line: each has its own direction, and a browser needs six times as long for one of 6,000 lines.
  const html = textToHtml(text)
    .replaceAll('<p>', '<p dir="auto">')
    .replaceAll('<br>\n', '</p>\n<p class="fax-next" dir="auto">');
  return { ok: true, body: { html, text: text.trim(), plain: true, pictures: [] } };
}

function tooLong(size: number): BodyResult {
  const [is, most] = [size, MAX_HTML].map((count) => count.toLocaleString('en-US'));
  const problem = `the message is too long for a fax: ${is} characters of HTML, at most ${most} are laid out`;
  return { ok: false, problem };
}

/** Without skin tones, which fonts show as a box. */
function printable(text: string | null | undefined): string {
  return cleanText(text ?? '').replace(/\p{Emoji_Modifier}/gu, '');
}

/** Private-use characters around a picture's number and the width that its sender asks for, CSS pixels. */
const PICTURE = /^\ue000(\d{1,3}) (\d{0,4})\ue001$/;

function pictureLine(index: number, attributes: string): string {
  const width = /\bwidth(?:="|:)(\d{1,4})(?:px)?[";]/.exec(attributes)?.[1] ?? '';
  return `<p>\ue000${index} ${width}\ue001</p>`;
}

/** The picture that a line of `FaxBody.text` stands for; `width` 0: as wide as it is. */
export function pictureIn(line: string): { index: number; width: number } | undefined {
  const mark = PICTURE.exec(line.trim());
  return mark ? { index: Number(mark[1]), width: Number(mark[2]) } : undefined;
}

/** `html` with every mark replaced by what `element` gives for picture `index`; `attributes` are those the mark had. */
export function withPictures(html: string, element: (index: number, attributes: string) => string): string {
  return html.replace(MARK, (_all, index: string, attributes: string) =>
    element(Number(index), attributes.replace(/\/$/, '').trim()),
  );
}

interface Marking {
  readonly html: string;
  readonly pictures: Uint8Array[];
  readonly numbers: Map<string, number>;
  out: string;
}

/** The markup as it was, with image data taken out. What is no image keeps its address, for the cleaning to decide. */
function withMarks(html: string): { html: string; pictures: Uint8Array[] } {
  const marking: Marking = { html, pictures: [], numbers: new Map(), out: '' };
  const copy = (from: number, to: number) => {
    marking.out += html.slice(from, to);
    return undefined;
  };
  readMarkup(html, {
    text: copy,
    open(name, from, to, spans) {
      marking.out += name === 'img' ? markedTag(marking, from, to, spans) : html.slice(from, to);
      return undefined;
    },
    close: (_name, from, to) => copy(from, to),
    raw: (_name, from, _contentFrom, _contentTo, to) => copy(from, to),
    aside: () => undefined,
  });
  return { html: marking.out, pictures: marking.pictures };
}

function markedTag(marking: Marking, from: number, to: number, spans: AttributeSpans): string {
  const { html } = marking;
  for (let i = 0; i + 3 < spans.length; i += 4) {
    const [nameFrom = 0, nameTo = 0, valueFrom = -1, valueTo = -1] = spans.slice(i, i + 4);
    if (html.slice(nameFrom, nameTo).toLowerCase() !== 'src' || valueFrom < 0) continue;
    const mark = markOf(marking, html.slice(valueFrom, valueTo));
    return mark === undefined ? html.slice(from, to) : html.slice(from, valueFrom) + mark + html.slice(valueTo, to);
  }
  return html.slice(from, to);
}

/** The mark passes the cleaning like the image that it replaces. */
function markOf({ pictures, numbers }: Marking, address: string): string | undefined {
  if (address.length > MAX_PICTURE_DATA) return '';
  const known = numbers.get(address);
  const data = known === undefined ? imageData(address) : undefined;
  if (known === undefined && (!data || pictures.length >= MAX_PICTURES))
    return /^\s*data:/i.test(address) ? '' : undefined;
  const index = known ?? pictures.push(Buffer.from(data?.base64 ?? '', 'base64')) - 1;
  numbers.set(address, index);
  return `data:image/png;base64,faxpicture${index}`;
}
