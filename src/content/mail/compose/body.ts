import { createHash } from 'node:crypto';
import type { MessageContentInfo } from '../../../model/message.js';
import { imageData } from '../../html/links.js';
import { type AttributeSpans, readMarkup } from '../../html/markup.js';
import { htmlToText } from '../../html/text.js';
import { cleanText } from '../../limits.js';

export interface InlineImage {
  cid: string;
  filename: string;
  contentType: string;
  content: Buffer;
}

export interface Bodies {
  /** CRLF line ends; '' when there is nothing to read. */
  text: string;
  /** CRLF line ends; '' when the send request has no HTML. */
  html: string;
  images: InlineImage[];
}

/** Handlers and script addresses in what a markup reader calls an attribute value. */
const SCRIPT_ADDRESS = /^(?:javascript|vbscript):/i;
const NAMED_BLANKS = /&(?:tab|newline);?/gi;

/** The agent's HTML without scripts and handlers, its embedded images as parts of their own, and the plain text. `domain` ends the Content-IDs. */
export function bodiesOf(sendRequest: MessageContentInfo, domain: string): Bodies {
  const written = cleanText(sendRequest.BodyHtml ?? '');
  const plain = cleanText(sendRequest.BodyText ?? '');
  if (written.trim() === '') return { text: wireLines(plain), html: '', images: [] };
  const { html, images } = harmless(written, domain);
  const text = plain.trim() === '' ? htmlToText(written) : plain;
  return { text: wireLines(text), html: wireLines(html), images };
}

function wireLines(text: string): string {
  return text.replaceAll('\n', '\r\n');
}

/** Everything stays as the agent wrote it but script elements, handlers, script addresses and embedded image data. */
function harmless(html: string, domain: string): { html: string; images: InlineImage[] } {
  const images = new Map<string, InlineImage>();
  const out: string[] = [];
  const copy = (from: number, to: number) => {
    out.push(html.slice(from, to));
    return undefined;
  };
  readMarkup(html, {
    text(from, to) {
      // A bracket left over in text must not join up with what follows a removed script.
      out.push(html.slice(from, to).replaceAll('<', '&lt;'));
      return undefined;
    },
    open(name, from, to, spans) {
      out.push(tagText(html, name, from, to, spans, (source) => contentId(images, source, domain)));
      return undefined;
    },
    close: (name, from, to) => (name === 'script' ? undefined : copy(from, to)),
    raw: (name, from, _contentFrom, _contentTo, to) => (name === 'script' ? undefined : copy(from, to)),
    aside: copy,
  });
  return { html: out.join(''), images: [...images.values()] };
}

/** The tag less handlers and script addresses, with image data replaced by `cid:`. */
function tagText(
  html: string,
  name: string,
  from: number,
  to: number,
  spans: AttributeSpans,
  cidOf: (source: string) => string | undefined,
): string {
  let out = '';
  let copied = from;
  for (let i = 0; i + 3 < spans.length; i += 4) {
    const [nameFrom = 0, nameTo = 0, valueFrom = -1, valueTo = -1] = spans.slice(i, i + 4);
    const attribute = html.slice(nameFrom, nameTo).toLowerCase();
    const cid = name === 'img' && attribute === 'src' ? cidOf(html.slice(valueFrom, valueTo)) : undefined;
    if (cid !== undefined) {
      out += `${html.slice(copied, valueFrom)}cid:${cid}`;
      copied = valueTo;
    } else if (
      attribute.startsWith('on') ||
      isScriptAddress(html.slice(Math.max(0, valueFrom), Math.max(0, valueTo)))
    ) {
      // Something has to stay: a following `=` would else give its value to the attribute before.
      out += `${html.slice(copied, nameFrom)}data-removed=""`;
      copied = valueFrom < 0 ? nameTo : valueTo + (isQuoted(html, valueFrom) ? 1 : 0);
    }
  }
  return out + html.slice(copied, to);
}

function isQuoted(html: string, valueFrom: number): boolean {
  return html[valueFrom - 1] === '"' || html[valueFrom - 1] === "'";
}

function isScriptAddress(value: string): boolean {
  const start = value
    .slice(0, 300)
    .replace(NAMED_BLANKS, '')
    .replace(/&colon;?/gi, ':')
    .replace(/&#(?:x([\da-f]{1,6})|(\d{1,7}));?/gi, (_all, hex, decimal) => character(hex, decimal))
    .replace(/[\s\p{Cc}]+/gu, '');
  return SCRIPT_ADDRESS.test(start);
}

function character(hex: string | undefined, decimal: string | undefined): string {
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
  return code <= 0x10ffff ? String.fromCodePoint(code) : '';
}

/** The Content-ID of an embedded image; one part per distinct image, named after its bytes: the same on every attempt. */
function contentId(images: Map<string, InlineImage>, source: string, domain: string): string | undefined {
  const known = images.get(source);
  if (known) return known.cid;
  const data = imageData(source);
  if (!data) return undefined;
  const number = images.size + 1;
  const cid = `image${number}.${createHash('sha256').update(data.base64).digest('hex').slice(0, 16)}@${domain}`;
  const extension = data.type.slice('image/'.length);
  images.set(source, {
    cid,
    filename: `image${number}.${extension === 'jpeg' ? 'jpg' : extension}`,
    contentType: data.type,
    content: Buffer.from(data.base64, 'base64'),
  });
  return cid;
}
