// Owns what a message looks like in submit_sm: alphabet, parts, addresses. The same for the same message, so that a repeat
// joins with what arrived already.
import { createHash } from 'node:crypto';
import type { ComposedText } from '../../../src/driver/contract.js';
import { gsmEncode, ROOM, type Room, splitText } from '../../../src/driver/shared/text.js';
import type { FieldValue } from '../pdu/pdu.js';
import type { SmppSettings } from '../settings.js';

export type Fields = Readonly<Record<string, FieldValue>>;

/** Octets in a part of an alphabet of one octet per character. */
const LATIN1_ROOM: Room = { whole: 140, part: 134 };
/** The SMSC makes the header and may take the longer one of 7 octets. */
const SAR_ROOM = { 'GSM-7': { whole: 160, part: 152 }, 'UCS-2': { whole: 70, part: 66 } };
const SAR_LATIN1_ROOM: Room = { whole: 140, part: 133 };
/** So many parts a header can count (3GPP TS 23.040, 9.2.3.24.1); carriers allow far fewer. */
const MOST_PARTS = 255;
const HEADER_INDICATOR = 0x40;

interface Coded {
  readonly coding: number;
  readonly texts: readonly string[];
  encode(text: string): Buffer;
}

/** The submit_sm of every part. */
export function partsOf(message: ComposedText, settings: SmppSettings): { parts: Fields[] } | { problem: string } {
  const source = message.from ?? settings.SourceAddress ?? '';
  for (const [what, address] of [
    ['sender', source],
    ['recipient', message.to],
  ])
    if (!/^[\x20-\x7e]{0,21}$/.test(address ?? ''))
      return { problem: `the ${what} "${address}" is no address for SMPP: at most 20 plain characters` };
  const { coding, texts, encode } = coded(message, settings);
  if (texts.length > MOST_PARTS)
    return { problem: `the text would be ${texts.length} parts, and ${MOST_PARTS} is the most` };
  const common = {
    ...addresses(source, message.to, settings),
    data_coding: coding,
    registered_delivery: settings.Receipts ? 1 : 0,
  };
  const [only = ''] = texts;
  if (texts.length === 1) return { parts: [{ ...common, ...body(encode(only)) }] };
  const reference = createHash('sha256').update(`${message.to} ${message.reference}`).digest();
  const parts = texts.map((text, at) => ({
    ...common,
    ...numbered(encode(text), reference, texts.length, at + 1, settings.LongMessages === 'Sar'),
  }));
  return { parts };
}

/** short_message holds 254 octets (SMPP 3.4, 5.2.22); more is a payload. */
function body(bytes: Buffer): Fields {
  return bytes.length <= 254 ? { short_message: bytes } : { short_message: Buffer.alloc(0), message_payload: bytes };
}

function numbered(bytes: Buffer, reference: Buffer, total: number, number: number, sar: boolean): Fields {
  if (sar)
    return {
      short_message: bytes,
      sar_msg_ref_num: reference.readUInt16BE(0),
      sar_total_segments: total,
      sar_segment_seqnum: number,
    };
  const header = Buffer.from([5, 0, 3, reference[0] ?? 0, total, number]);
  return { short_message: Buffer.concat([header, bytes]), esm_class: HEADER_INDICATOR };
}

function coded({ text, encoding }: ComposedText, { LongMessages, Latin1 }: SmppSettings): Coded {
  const whole = LongMessages === 'Payload';
  const isSar = LongMessages === 'Sar';
  const split = (room: Room) => (whole ? [text] : splitText(text, encoding, room));
  if (encoding === 'GSM-7') {
    const room = isSar ? SAR_ROOM['GSM-7'] : ROOM['GSM-7'];
    return { coding: 0x00, texts: split(room), encode: (part) => Buffer.from(gsmEncode(part) ?? []) };
  }
  if (Latin1 && isLatin1(text))
    return {
      coding: 0x03,
      texts: split(isSar ? SAR_LATIN1_ROOM : LATIN1_ROOM),
      encode: (part) => Buffer.from(part, 'latin1'),
    };
  const room = isSar ? SAR_ROOM['UCS-2'] : ROOM['UCS-2'];
  return { coding: 0x08, texts: split(room), encode: (part) => Buffer.from(part, 'utf16le').swap16() };
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
