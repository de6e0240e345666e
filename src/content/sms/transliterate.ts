// Near characters of GSM 03.38 for those that alone would more than halve the room in a message.
import { isGsm, segmentsOf } from '../../kit/gsm.js';

/** Only what keeps its meaning: "10²" does not become "102". */
const NEAR: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "'": '‘’‚‛′´`ʼ‹›',
    '"': '“”„‟″«»',
    '-': '‐‑‒–—―−•',
    '...': '…',
    ' ': '\t\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000',
    '\n': '\u2028\u2029',
    '': '\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff',
    '.': '·',
    x: '×',
    '/': '⁄',
    No: '№',
    '(C)': '©',
    '(R)': '®',
    TM: '™',
    oe: 'œ',
    OE: 'Œ',
    l: 'ł',
    L: 'Ł',
    d: 'đð',
    D: 'ĐÐ',
    h: 'ħ',
    H: 'Ħ',
    i: 'ı',
    th: 'þ',
    Th: 'Þ',
    SS: 'ẞ',
  }).flatMap(([near, those]): [string, string][] => [...those].map((character) => [character, near])),
);

/**
 * `text` with near characters, when all of it fits into GSM-7 then and takes no more messages than before; otherwise `text`
 * as it is, because half a transliteration costs as much as none and reads worse.
 */
export function transliterate(text: string): string {
  if (isGsm(text)) return text;
  const out: string[] = [];
  for (const character of text.normalize('NFC')) {
    const near = nearOf(character);
    if (near === undefined) return text;
    out.push(near);
  }
  const short = out.join('');
  return segmentsOf(short).segments <= segmentsOf(text).segments ? short : text;
}

function nearOf(character: string): string | undefined {
  if (isGsm(character)) return character;
  const near = NEAR.get(character);
  if (near !== undefined) return near;
  // A letter with a mark is readable without it; a mark that is left over has no letter to stand on in GSM-7.
  const bare = character.normalize('NFD').replace(/\p{Mn}/gu, '');
  return isGsm(bare) ? bare : undefined;
}
