// Owns what one deliver_sm carries: the bytes of its text without headers, and which part of which long message it is, by
// user data header (3GPP TS 23.040, 9.2.3.24) or by sar_ parameters. A header that cannot be is no header: the message
// arrives as far as it can be read, with a note.
import { createHash } from 'node:crypto';
import { type Pdu, TLV, tlvNumber } from '../pdu/pdu.js';

export interface PartOf {
  /** The same for all parts of one long message: a hash over sender, recipient, kind of reference, reference and total. */
  readonly base: string;
  readonly number: number;
  readonly total: number;
}

export interface Piece {
  readonly from: string;
  readonly to: string;
  readonly bytes: Buffer;
  readonly coding: number;
  readonly part: PartOf | undefined;
  readonly note: string | null;
}

const HEADER_INDICATOR = 0x40;
const INTERNATIONAL = 1;

interface Numbered {
  kind: string;
  reference: number;
  total: number;
  number: number;
}

export function pieceOf(pdu: Pdu): Piece {
  const from = addressOf(pdu, 'source_addr');
  const to = addressOf(pdu, 'destination_addr');
  const short = pdu.bytes('short_message');
  const whole = short.length > 0 ? short : (pdu.tlv(TLV.messagePayload) ?? short);
  const plain = { from, to, coding: pdu.number('data_coding') };
  const hasHeader = Boolean(pdu.number('esm_class') & HEADER_INDICATOR);
  const header = hasHeader ? headerOf(whole) : undefined;
  if (hasHeader && !header)
    return { ...plain, bytes: whole, part: undefined, note: 'its header is longer than the message: shown as it came' };
  const bytes = header ? whole.subarray(header.length) : whole;
  const numbered = (header && concatenation(header)) ?? sar(pdu);
  if (!numbered || numbered.total === 1) return { ...plain, bytes, part: undefined, note: null };
  const { kind, reference, total, number } = numbered;
  if (number < 1 || number > total)
    return { ...plain, bytes, part: undefined, note: `said to be part ${number} of ${total}` };
  return { ...plain, bytes, part: { base: hash([from, to, kind, reference, total]), number, total }, note: null };
}

/** A + in front of international numbers, as everybody else writes them. */
function addressOf(pdu: Pdu, name: 'source_addr' | 'destination_addr'): string {
  const address = pdu.text(name);
  const ton = pdu.number(name === 'source_addr' ? 'source_addr_ton' : 'dest_addr_ton');
  return ton === INTERNATIONAL && /^\d+$/.test(address) ? `+${address}` : address;
}

/** With its length octet; undefined when it is longer than the whole. */
function headerOf(bytes: Buffer): Buffer | undefined {
  const length = (bytes[0] ?? Number.POSITIVE_INFINITY) + 1;
  return length <= bytes.length ? bytes.subarray(0, length) : undefined;
}

/** The first element that says which part this is: 0x00 with an 8-bit reference, 0x08 with one of 16 bits. */
function concatenation(header: Buffer): Numbered | undefined {
  for (let at = 1; at + 2 <= header.length; ) {
    const [id, length] = [header[at], header[at + 1] ?? 0];
    const data = header.subarray(at + 2, at + 2 + length);
    if (data.length < length) return undefined;
    const [total = 0, number = 0] = data.subarray(-2);
    if (id === 0x00 && length === 3) return { kind: 'udh8', reference: data[0] ?? 0, total, number };
    if (id === 0x08 && length === 4) return { kind: 'udh16', reference: data.readUInt16BE(0), total, number };
    at += 2 + length;
  }
  return undefined;
}

function sar(pdu: Pdu): Numbered | undefined {
  const [reference, total, number] = [TLV.sarReference, TLV.sarTotal, TLV.sarNumber].map((tag) => tlvNumber(pdu, tag));
  if (reference === undefined || total === undefined || number === undefined) return undefined;
  return { kind: 'sar', reference, total, number };
}

/** In hexadecimal, so that prefixes of keys can be searched for. */
export function hash(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
