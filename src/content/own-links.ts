// The signed links to attachments that Gatepost writes into a message for the agent open the file for everyone who has them.
// A quoted message takes them along, so they are removed from whatever leaves.

/** The end of such a link, also with its "&" as HTML has it, and percent-encoded inside the link of a mail filter. */
const SIGNATURE = /(?:\?|%3F)expires(?:=|%3D)\d{1,12}(?:&amp;|&#38;|&|%26)signature(?:=|%3D)[\w-]{43}/gi;
/** How far before its end a link begins: base address, id, and a name of sixty characters in percent-encoded UTF-8. */
const LONGEST_START = 2_500;
const PATH = /(?:\/|%2F)attachments(?:\/|%2F)/i;
const HREF = /\s[a-z-]{1,20}\s{0,3}=\s{0,3}(["']?)$/i;

export const REMOVED_LINK = '[link removed]';

/** `text` (plain, or HTML) without the links; an attribute that held one goes whole. Linear in its length. */
export function withoutOwnLinks(text: string): string {
  let out = '';
  let copied = 0;
  for (const match of text.matchAll(SIGNATURE)) {
    const head = text.slice(Math.max(copied, match.index - LONGEST_START), match.index);
    const start = linkStart(head);
    if (start < 0) continue;
    const from = match.index - head.length + start;
    const end = linkEnd(text, match.index + match[0].length);
    const attribute = HREF.exec(text.slice(Math.max(copied, from - 40), from));
    if (attribute) {
      out += text.slice(copied, from - attribute[0].length);
      copied = text[end] === attribute[1] ? end + 1 : end;
    } else {
      out += text.slice(copied, from) + REMOVED_LINK;
      copied = end;
    }
  }
  return out + text.slice(copied);
}

/** Where the address begins that ends with `head`, -1 when it is none of ours. */
function linkStart(head: string): number {
  const gap = /[\s"'<>][^\s"'<>]*$/.exec(head);
  const from = gap ? gap.index + 1 : 0;
  const scheme = head.slice(from).search(/https?(?::\/\/|%3A%2F%2F)/i);
  return scheme >= 0 && PATH.test(head.slice(from + scheme)) ? from + scheme : -1;
}

/** What a mail filter has put behind the link belongs to the same address. */
function linkEnd(text: string, from: number): number {
  let end = from;
  while (end < text.length && end - from < LONGEST_START && /[\w%&=;#~.-]/.test(text[end] ?? '')) end += 1;
  while (end > from && text[end - 1] === '.') end -= 1;
  return end;
}
