// What an agent's browser shows of a customer's HTML: an allow-list of elements, attributes, addresses and style
// values; no script, handler, form or frame, and nothing that loads from another server. The result is a fragment of
// balanced elements of the HTML namespace, so that a browser reads it as it was written.
//
// The send request: prescan (bounds, one meaning) -> sanitize-html with our rules -> image data put back.
import sanitizeHtml from 'sanitize-html';
import { bodyStyle } from './body-style.js';
import { imageReference, prescan } from './bounds.js';
import { cleanStyle, isPlainColor } from './css.js';
import { imageData, safeLink } from './links.js';
import { withReadableColors } from './readable.js';

export interface CleanOptions {
  /** The data: address of the mail's own part with this Content-ID (without brackets), undefined when there is none. */
  image(cid: string): string | undefined;
}

export interface CleanedHtml {
  html: string;
  /** One sentence for everything that a reader would miss. */
  notes: string[];
}

/** Characters of image data that one message's HTML may hold in total: about 3 MB of pictures. */
const MAX_IMAGE_DATA = 4_500_000;

const ELEMENTS =
  'a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s samp section small span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr'.split(
    ' ',
  );
const KNOWN = new Set(ELEMENTS);

/** Attributes any element may have; what their values may be is said in `VALUES`. */
const COMMON = ['style', 'dir', 'lang', 'title', 'align'];
const CELL = ['width', 'height', 'valign', 'bgcolor', 'colspan', 'rowspan', 'nowrap'];
const ATTRIBUTES: Record<string, readonly string[]> = {
  a: ['href', 'target', 'rel'],
  img: ['src', 'alt', 'width', 'height', 'border', 'hspace', 'vspace'],
  font: ['color', 'face', 'size'],
  table: ['width', 'height', 'bgcolor', 'border', 'cellpadding', 'cellspacing'],
  tr: ['height', 'valign', 'bgcolor'],
  td: CELL,
  th: CELL,
  col: ['width', 'span'],
  colgroup: ['width', 'span'],
  tbody: ['valign'],
  thead: ['valign'],
  tfoot: ['valign'],
  hr: ['width', 'size', 'color', 'noshade'],
  ol: ['start', 'type'],
  ul: ['type'],
  li: ['type', 'value'],
};

const number = /^\d{1,4}(?:\.\d{1,4})?(?:%|px)?$/;
const count = /^\d{1,3}$/;
const word = /^[a-z]{1,20}$/i;
const flag = /^[a-z]{0,20}$/i;
const matches = (pattern: RegExp) => (value: string) => (pattern.test(value.trim()) ? value.trim() : undefined);
const shortText = (value: string) => value.slice(0, 1_000);

/** What becomes of an attribute's value; undefined drops the attribute. Links, images and styles go their own ways. */
const VALUES = new Map<string, (value: string) => string | undefined>([
  ['title', shortText],
  ['alt', shortText],
  ['dir', matches(/^(?:ltr|rtl|auto)$/i)],
  ['lang', matches(/^[a-z0-9-]{1,35}$/i)],
  ['face', matches(/^[\p{L}\p{N}_ ,.'-]{1,200}$/u)],
  ['size', matches(/^[+-]?\d{1,4}$/)],
  ['type', matches(/^(?:[1aAiI]|disc|circle|square)$/)],
  ['noshade', matches(flag)],
  ['nowrap', matches(flag)],
]);
for (const name of ['width', 'height', 'border', 'hspace', 'vspace', 'cellpadding', 'cellspacing']) {
  VALUES.set(name, matches(number));
}
for (const name of ['colspan', 'rowspan', 'span', 'start', 'value']) VALUES.set(name, matches(count));
for (const name of ['align', 'valign']) VALUES.set(name, matches(word));
for (const name of ['bgcolor', 'color'])
  VALUES.set(name, (value) => (isPlainColor(value.trim()) ? value.trim() : undefined));

/** What one cleaning keeps in mind. */
interface Cleaning {
  readonly options: CleanOptions;
  /** Image data set aside by the prescan. */
  readonly aside: readonly string[];
  /** Image data of the result, by the number in its reference. */
  readonly shown: string[];
  readonly styles: Map<string, string>;
  imageRoom: number;
  remote: number;
  missing: number;
  oversized: number;
  links: number;
}

/** Cleans `html`; never throws for anything in it. `notes` say what was removed. */
export function cleanHtml(html: string, options: CleanOptions): CleanedHtml {
  const scanned = prescan(html, KNOWN);
  const cleaning: Cleaning = {
    options,
    aside: scanned.images,
    shown: [],
    styles: new Map(),
    imageRoom: MAX_IMAGE_DATA,
    remote: 0,
    missing: 0,
    oversized: 0,
    links: 0,
  };
  const cleaned = sanitizeHtml(scanned.html, {
    allowedTags: ELEMENTS,
    allowedAttributes: allowedAttributes,
    allowedSchemes: ['http', 'https', 'mailto', 'tel'],
    // The only image address that gets this far is our own stand-in for image data.
    allowedSchemesByTag: { img: ['gatepost-image'] },
    allowedSchemesAppliedToAttributes: ['href', 'src'],
    allowProtocolRelative: false,
    parseStyleAttributes: false,
    selfClosing: ['br', 'col', 'hr', 'img', 'wbr'],
    transformTags: {
      img: (_name, attributes) => image(cleaning, attributes),
      '*': (name, attributes) => element(cleaning, name, attributes),
    },
  });
  const readable = withReadableColors(onBody(cleaned.trim(), scanned.body));
  return { html: withImages(readable, cleaning.shown).trim(), notes: [...scanned.notes, ...notesOf(cleaning)] };
}

/** A dark page stays dark: an agent sees only what was inside the body. */
function onBody(html: string, body: string): string {
  const style = html === '' ? '' : bodyStyle(body);
  return style === '' ? html : `<div style="${style}">${html}</div>`;
}

const allowedAttributes: Record<string, string[]> = { '*': [...COMMON] };
for (const [name, attributes] of Object.entries(ATTRIBUTES)) allowedAttributes[name] = [...attributes];

/** Called for images, too, after `image` has seen to them. */
function element(cleaning: Cleaning, name: string, attributes: sanitizeHtml.Attributes): sanitizeHtml.Tag {
  if (name === 'img') return { tagName: name, attribs: attributes };
  const safeAttributes = plainAttributes(cleaning, name, attributes);
  if (name === 'a') link(cleaning, attributes, safeAttributes);
  return { tagName: name, attribs: safeAttributes };
}

function plainAttributes(cleaning: Cleaning, name: string, attributes: sanitizeHtml.Attributes) {
  const safeAttributes: sanitizeHtml.Attributes = {};
  const own = ATTRIBUTES[name];
  for (const attribute in attributes) {
    const value = attributes[attribute] ?? '';
    if (attribute === 'style') {
      const style = styleOf(cleaning, value);
      if (style) safeAttributes.style = style;
      continue;
    }
    if (!own?.includes(attribute) && !COMMON.includes(attribute)) continue;
    const clean = VALUES.get(attribute)?.(value);
    if (clean !== undefined) safeAttributes[attribute] = clean;
  }
  return safeAttributes;
}

/** Newsletters repeat a few styles hundreds of times. */
function styleOf(cleaning: Cleaning, style: string): string {
  const known = cleaning.styles.get(style);
  if (known !== undefined) return known;
  const clean = cleanStyle(style);
  cleaning.styles.set(style, clean);
  return clean;
}

function link(cleaning: Cleaning, attributes: sanitizeHtml.Attributes, safeAttributes: sanitizeHtml.Attributes): void {
  const href = attributes.href;
  if (href === undefined) return;
  const safe = safeLink(href);
  if (safe !== undefined) {
    safeAttributes.href = safe;
    safeAttributes.target = '_blank';
    safeAttributes.rel = 'noopener noreferrer nofollow';
  } else if (!href.trim().startsWith('#')) cleaning.links += 1;
}

/** An image of the mail itself stays, as data; what would be loaded from elsewhere becomes its alternative text. */
function image(cleaning: Cleaning, attributes: sanitizeHtml.Attributes): sanitizeHtml.Tag {
  const data = imageOf(cleaning, (attributes.src ?? '').trim());
  if (data === undefined) {
    return { tagName: 'span', attribs: {}, text: shortText(attributes.alt ?? '') };
  }
  cleaning.shown.push(data);
  // `src` comes first: withImages relies on it.
  const src = imageReference(cleaning.shown.length - 1);
  return { tagName: 'img', attribs: { src, ...plainAttributes(cleaning, 'img', { ...attributes, src: '' }) } };
}

function imageOf(cleaning: Cleaning, src: string): string | undefined {
  const aside = /^gatepost-image:(\d{1,5})$/.exec(src);
  const address = aside ? cleaning.aside[Number(aside[1])] : src;
  if (address === undefined) return undefined;
  if (/^cid:/i.test(address)) return embedded(cleaning, address.slice(4));
  const data = imageData(address);
  if (data) return affordable(cleaning, `data:${data.type};base64,${data.base64}`);
  if (/^(?:https?:|[/\\]{2})/i.test(address)) cleaning.remote += 1;
  else if (address !== '') cleaning.missing += 1;
  return undefined;
}

/** RFC 2392: the part behind `cid:` is the Content-ID without brackets, percent-encoded. */
function embedded(cleaning: Cleaning, cid: string): string | undefined {
  const address = cleaning.options.image(decoded(cid).replace(/^<|>$/g, ''));
  const data = address === undefined ? undefined : imageData(address);
  if (!data) {
    cleaning.missing += 1;
    return undefined;
  }
  return affordable(cleaning, `data:${data.type};base64,${data.base64}`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function affordable(cleaning: Cleaning, address: string): string | undefined {
  if (address.length > cleaning.imageRoom) {
    cleaning.oversized += 1;
    return undefined;
  }
  cleaning.imageRoom -= address.length;
  return address;
}

/** Text cannot hold `<img`: it would have been escaped. */
function withImages(html: string, shown: readonly string[]): string {
  if (shown.length === 0) return html;
  return html.replace(/<img src="gatepost-image:(\d+)"/g, (_all, index) => `<img src="${shown[Number(index)] ?? ''}"`);
}

function notesOf(cleaning: Cleaning): string[] {
  const notes: string[] = [];
  const note = (amount: number, one: string, many: string) => {
    if (amount > 0) notes.push(amount === 1 ? `One ${one}.` : `${amount} ${many}.`);
  };
  note(cleaning.remote, 'remote image removed', 'remote images removed');
  note(cleaning.missing, 'image could not be shown', 'images could not be shown');
  note(cleaning.oversized, 'image left out of the text: too large', 'images left out of the text: too large together');
  note(cleaning.links, 'link with a forbidden address removed', 'links with forbidden addresses removed');
  return notes;
}
