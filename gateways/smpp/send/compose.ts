// The submit_sm PDUs of a message: alphabet, parts, addresses. The same message always gives the same PDUs, so the parts of
// a repeat join those that arrived already.
import { createHash } from 'node:crypto';
import iconv from 'iconv-lite';
import type { ComposedText } from '../../../src/driver/contract.js';
import { gsmEncode, ROOM, type Room, splitText } from '../../../src/driver/shared/text.js';
import type { FieldValue } from '../pdu/pdu.js';
import type { DefaultAlphabet } from '../receive/data-coding.js';
import type { SmppSettings } from '../settings.js';

export interface Part {
  readonly text: string;
  readonly fields: Readonly<Record<string, FieldValue>>;
}

export type Composition = { readonly parts: readonly Part[] } | { readonly problem: string };

type Fields = Part['fields'];

/** Octets in a part of an alphabet of one octet per character. */
const LATIN1_ROOM: Room = { whole: 140, part: 134 };
/** With Sar the SMSC makes the header, and may choose the longer one of 7 octets. */
const SAR_ROOM = { 'GSM-7': { whole: 160, part: 152 }, 'UCS-2': { whole: 70, part: 66 } };
const SAR_LATIN1_ROOM: Room = { whole: 140, part: 133 };
/** A header can count this many parts (3GPP TS 23.040, 9.2.3.24.1); carriers allow far fewer. */
const MOST_PARTS = 255;
const HEADER_INDICATOR = 0x40;
/** Octets in short_message (SMPP 3.4, 5.2.22). A longer text goes into message_payload. */
const SHORT_MESSAGE = 254;

interface Alphabet {
  readonly coding: number;
  readonly texts: readonly string[];
  /** Undefined when the alphabet lacks a character of the text. */
  encode(text: string): Buffer | undefined;
}

export function composeParts(message: ComposedText, settings: SmppSettings): Composition {
  const source = sourceOf(message, settings);
  const problem = addressProblem('sender', source) ?? addressProblem('recipient', message.to);
  if (problem !== undefined) return { problem };
  const { coding, texts, encode } = alphabetOf(message, settings);
  if (texts.length > MOST_PARTS)
    return { problem: `the text would need ${texts.length} parts, and ${MOST_PARTS} is the most; shorten it` };
  const common = {
    ...addresses(source, message.to, settings),
    data_coding: coding,
    registered_delivery: settings.Receipts ? 1 : 0,
  };
  const reference = createHash('sha256').update(`${message.to} ${message.reference}`).digest();
  const parts: Part[] = [];
  for (const [at, text] of texts.entries()) {
    const bytes = encode(text);
    if (!bytes) return { problem: `the text cannot be encoded in ${message.encoding}` };
    const position = { reference, total: texts.length, number: at + 1 };
    parts.push({ text, fields: { ...common, ...body(bytes, position, settings.LongMessages === 'Sar') } });
  }
  return { parts };
}

export function sourceOf({ from }: ComposedText, { SourceAddress }: SmppSettings): string {
  return from ?? SourceAddress ?? '';
}

function addressProblem(what: string, address: string): string | undefined {
  if (/^[\x20-\x7e]{0,21}$/.test(address)) return undefined;
  return `the ${what} "${address}" is no SMPP address: at most 20 ASCII characters are allowed`;
}

interface Position {
  readonly reference: Buffer;
  readonly total: number;
  readonly number: number;
}

function body(bytes: Buffer, { reference, total, number }: Position, isSar: boolean): Fields {
  if (total === 1)
    return bytes.length <= SHORT_MESSAGE
      ? { short_message: bytes }
      : { short_message: Buffer.alloc(0), message_payload: bytes };
  if (isSar)
    return {
      short_message: bytes,
      sar_msg_ref_num: reference.readUInt16BE(0),
      sar_total_segments: total,
      sar_segment_seqnum: number,
    };
  const header = Buffer.from([5, 0, 3, reference[0] ?? 0, total, number]);
  return { short_message: Buffer.concat([header, bytes]), esm_class: HEADER_INDICATOR };
}

function alphabetOf({ text, encoding }: ComposedText, settings: SmppSettings): Alphabet {
  const { LongMessages, Latin1, DefaultAlphabet } = settings;
  const isSar = LongMessages === 'Sar';
  const isDefault = encoding === 'GSM-7' && hasAll(text, DefaultAlphabet);
  const split = (room: Room) =>
    LongMessages === 'Payload' ? [text] : splitText(text, isDefault ? 'GSM-7' : 'UCS-2', room);
  if (isDefault) {
    // On the air it is GSM 7-bit, whatever the SMSC reads.
    const texts = split(isSar ? SAR_ROOM['GSM-7'] : ROOM['GSM-7']);
    return { coding: 0x00, texts, encode: (part) => defaultBytes(part, DefaultAlphabet) };
  }
  if (Latin1 && isLatin1(text)) {
    const texts = split(isSar ? SAR_LATIN1_ROOM : LATIN1_ROOM);
    return { coding: 0x03, texts, encode: (part) => Buffer.from(part, 'latin1') };
  }
  const texts = split(isSar ? SAR_ROOM['UCS-2'] : ROOM['UCS-2']);
  return { coding: 0x08, texts, encode: (part) => Buffer.from(part, 'utf16le').swap16() };
}

/** Whether the default alphabet of the SMSC has every character, with one octet for each. */
function hasAll(text: string, alphabet: DefaultAlphabet): boolean {
  switch (alphabet) {
    case 'Gsm':
      return true;
    case 'Latin1':
      return isLatin1(text);
    case 'Windows1252':
      return iconv.decode(iconv.encode(text, 'windows-1252'), 'windows-1252') === text;
    case 'Ascii':
    case 'Utf8':
      return !/[\u0080-\uffff]/.test(text);
    case 'Ucs2':
      return false;
  }
}

function defaultBytes(text: string, alphabet: DefaultAlphabet): Buffer | undefined {
  if (alphabet !== 'Gsm') return iconv.encode(text, 'windows-1252');
  const octets = gsmEncode(text);
  return octets && Buffer.from(octets);
}

function isLatin1(text: string): boolean {
  return [...text].every((character) => (character.codePointAt(0) ?? 0) <= 0xff);
}

function addresses(from: string, to: string, settings: SmppSettings): Fields {
  const source = kindOf(from);
  const dest = kindOf(to);
  return {
    source_addr_ton: settings.SourceTon ?? source.ton,
    source_addr_npi: settings.SourceNpi ?? source.npi,
    source_addr: from.replace(/^\+/, ''),
    dest_addr_ton: settings.DestTon ?? dest.ton,
    dest_addr_npi: settings.DestNpi ?? dest.npi,
    destination_addr: to.replace(/^\+/, ''),
  };
}

/** Type of number and numbering plan (SMPP 3.4, 5.2.5 and 5.2.6): international, alphanumeric, or left to the SMSC. */
function kindOf(address: string): { ton: number; npi: number } {
  if (/^\+\d+$/.test(address)) return { ton: 1, npi: 1 };
  if (address === '') return { ton: 0, npi: 0 };
  return /^\d+$/.test(address) ? { ton: 0, npi: 1 } : { ton: 5, npi: 0 };
}
