// The addresses that a customer's HTML may point to: absolute http, https, mailto and tel, and nothing that a browser
// would read as something else (relative, protocol-relative, backslashes, hidden control characters).
/** Longer addresses are dropped; browsers and mail programs stop at about 2,000. */
const MAX_LINK = 4_000;

/** The address as it may be shown to an agent, or undefined when it has to go. */
export function safeLink(href: string): string | undefined {
  if (href.length > MAX_LINK) return undefined;
  const link = asBrowsersRead(href);
  if (/^https?:/i.test(link)) return isWebAddress(link) ? link : undefined;
  if (/^mailto:[^/\\?]/i.test(link) || /^tel:[+\d(*#]/i.test(link)) return link;
  return undefined;
}

/**
 * Browsers drop tabs and line breaks anywhere, and control characters and blanks at both ends (URL standard 4.4);
 * what looks like `java\tscript:` to us is `javascript:` to them. Blanks inside become %20.
 */
function asBrowsersRead(href: string): string {
  return href
    .replace(/\p{Cc}+/gu, '')
    .trim()
    .replace(/ /g, '%20');
}

/** `http:evil`, `http:/evil` and `http:\\evil` reach a host in browsers, too: only the plain form stays. */
function isWebAddress(link: string): boolean {
  return /^https?:\/\/[^/\\?#]/i.test(link) && URL.canParse(link);
}

const IMAGE_DATA = /^\s*data:image\/(png|jpe?g|gif|webp|bmp)\s*;\s*base64\s*,/i;

/**
 * The media type and the base64 text of a data: address that holds an image of a kind browsers only paint; undefined for
 * anything else (SVG can hold scripts and remote addresses). Linear in its length.
 */
export function imageData(address: string): { type: string; base64: string } | undefined {
  const head = IMAGE_DATA.exec(address.slice(0, 100));
  if (!head?.[1]) return undefined;
  const kind = head[1].toLowerCase();
  const base64 = unescapedBase64(address.slice(head[0].length));
  if (base64.length === 0 || /[^A-Za-z0-9+/]/.test(base64.replace(/={1,2}$/, ''))) return undefined;
  return { type: `image/${kind === 'jpg' ? 'jpeg' : kind}`, base64 };
}

function unescapedBase64(text: string): string {
  const bare = /\s/.test(text) ? text.replace(/\s+/g, '') : text;
  return bare.includes('%') ? bare.replace(/%2b/gi, '+').replace(/%2f/gi, '/').replace(/%3d/gi, '=') : bare;
}
