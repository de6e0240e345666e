// The alphabets of data_coding (SMPP 3.4, 5.2.19, with the general groups of 3GPP TS 23.038). Parts are joined as bytes
// before they are decoded, because an escape or a surrogate pair may be cut between two of them.
import iconv from 'iconv-lite';
import { gsmDecode, isSeptets, type Shift } from '../../../src/driver/shared/text.js';
import { decodeUtf16 } from '../../../src/driver/shared/utf16.js';

/** The setting DefaultAlphabet: what the "SMSC default alphabet" of data_coding 0 is at this carrier. */
export const DEFAULT_ALPHABETS = ['Gsm', 'Ascii', 'Latin1', 'Windows1252', 'Utf8', 'Ucs2'] as const;
export type DefaultAlphabet = (typeof DEFAULT_ALPHABETS)[number];

export interface Decoded {
  readonly text: string;
  /** One sentence when the text is only a guess. */
  readonly note: string | null;
}

/** What decides besides data_coding. */
export interface Reading {
  readonly defaultAlphabet?: DefaultAlphabet | undefined;
  readonly shift?: Shift | undefined;
}

/** Undefined for binary data. */
export function decodeText(bytes: Uint8Array, coding: number, reading: Reading = {}): Decoded | undefined {
  const { defaultAlphabet = 'Gsm', shift } = reading;
  const octets = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const named = alphabetOf(coding);
  const alphabet = named === 'gsm' ? DEFAULTS[defaultAlphabet] : named;
  switch (alphabet) {
    case 'binary':
      return undefined;
    case 'gsm':
      return isSeptets(octets) ? { text: gsmDecode(octets, shift), note: null } : foreign(octets, 'GSM', coding);
    case 'ascii':
      return isSeptets(octets) ? { text: octets.toString('latin1'), note: null } : foreign(octets, 'ASCII', coding);
    case 'utf8':
      return utf8Of(octets, coding);
    case 'utf16':
      return utf16Of(octets);
    case 'unknown': {
      const note = `data_coding ${coding} is not known to Gatepost: read as Latin-1`;
      return { text: octets.toString('latin1'), note };
    }
    default:
      return { text: iconv.decode(octets, alphabet), note: null };
  }
}

export function isUcs2(coding: number): boolean {
  return alphabetOf(coding) === 'utf16';
}

/** Octets that the alphabet does not have say that the text is in another one. */
function foreign(octets: Buffer, alphabet: string, coding: number): Decoded {
  const utf8 = strictUtf8(octets);
  const text = utf8 ?? iconv.decode(octets, 'windows-1252');
  const as = utf8 === undefined ? 'Latin-1' : 'UTF-8';
  const what = `an octet is outside the ${alphabet} alphabet of data_coding ${coding}`;
  return { text, note: `${what}: read as ${as}; set DefaultAlphabet to what the carrier uses` };
}

function utf8Of(octets: Buffer, coding: number): Decoded {
  const text = strictUtf8(octets);
  if (text !== undefined) return { text, note: null };
  const note = `the octets of data_coding ${coding} are not UTF-8: read as Latin-1; set DefaultAlphabet to what the carrier uses`;
  return { text: iconv.decode(octets, 'windows-1252'), note };
}

/** Undefined when it is not valid. A byte order mark is dropped. */
function strictUtf8(octets: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch {
    return undefined;
  }
}

function utf16Of(octets: Buffer): Decoded {
  const { text, isGuess } = decodeUtf16(octets);
  const notes = [
    isGuess ? 'the text is in little-endian UCS-2, which the standard does not have' : '',
    octets.length % 2 === 1 ? 'the last character is cut off' : '',
  ].filter(Boolean);
  return { text, note: notes.join('; ') || null };
}

const DEFAULTS: Readonly<Record<DefaultAlphabet, string>> = {
  Gsm: 'gsm',
  Ascii: 'ascii',
  Latin1: 'latin1',
  Windows1252: 'windows-1252',
  Utf8: 'utf8',
  Ucs2: 'utf16',
};

function alphabetOf(coding: number): string {
  if (coding < 0x10) return SIMPLE[coding] ?? 'unknown';
  const group = coding >> 4;
  // Message waiting indication; group 1110 is UCS-2.
  if (group === 0xc || group === 0xd) return 'gsm';
  if (group === 0xe) return 'utf16';
  // Message class; bit 2 means data.
  if (group === 0xf) return coding & 0x04 ? 'binary' : 'gsm';
  // General groups: uncompressed only; bits 3 and 2 name the alphabet.
  if (group < 0x8 && !(coding & 0x20)) return ['gsm', 'binary', 'utf16', 'unknown'][(coding >> 2) & 3] ?? 'unknown';
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
  8: 'utf16',
  14: 'euc-kr',
};
