// The alphabets of data_coding (SMPP 3.4, 5.2.19, with the general groups of 3GPP TS 23.038). Parts are joined as bytes
// before they are decoded, because an escape or a surrogate pair may be cut between two of them.
import iconv from 'iconv-lite';
import { gsmDecode } from '../../../src/driver/shared/text.js';

export interface Decoded {
  readonly text: string;
  /** One sentence when the text is only a guess. */
  readonly note: string | null;
}

/** Undefined for binary data. */
export function decodeText(bytes: Uint8Array, coding: number): Decoded | undefined {
  const alphabet = alphabetOf(coding);
  if (alphabet === 'binary') return undefined;
  if (alphabet === 'gsm') return { text: gsmDecode(bytes), note: null };
  const isKnown = alphabet !== 'unknown';
  const text = iconv.decode(Buffer.from(bytes), isKnown ? alphabet : 'latin1');
  const isCut = alphabet === 'utf-16be' && bytes.length % 2 === 1;
  if (isCut) return { text, note: 'the last character is cut off' };
  return { text, note: isKnown ? null : `data_coding ${coding} is not known to Gatepost: read as Latin-1` };
}

function alphabetOf(coding: number): string {
  if (coding < 0x10) return SIMPLE[coding] ?? 'unknown';
  const group = coding >> 4;
  // Message waiting indication; group 1110 is UCS-2.
  if (group === 0xc || group === 0xd) return 'gsm';
  if (group === 0xe) return 'utf-16be';
  // Message class; bit 2 means data.
  if (group === 0xf) return coding & 0x04 ? 'binary' : 'gsm';
  // General groups: uncompressed only; bits 3 and 2 name the alphabet.
  if (group < 0x8 && !(coding & 0x20)) return ['gsm', 'binary', 'utf-16be', 'unknown'][(coding >> 2) & 3] ?? 'unknown';
  return 'unknown';
}

const SIMPLE: Readonly<Record<number, string>> = {
  0: 'gsm',
  1: 'latin1',
  2: 'binary',
  3: 'latin1',
  4: 'binary',
  5: 'shift_jis',
  6: 'iso-8859-5',
  7: 'iso-8859-8',
  8: 'utf-16be',
  14: 'euc-kr',
};
