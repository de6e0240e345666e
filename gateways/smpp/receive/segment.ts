// The text bytes of one deliver_sm without headers, and its place in a long message: from the user data header (3GPP TS
// 23.040, 9.2.3.24) or from the sar_ parameters. An impossible header is ignored: the text arrives as far as it can be
// read, with a note.
import { createHash } from 'node:crypto';
import type { Shift } from '../../../src/driver/shared/text.js';
import { type Pdu, TLV, tlvNumber } from '../pdu/pdu.js';

/** The place of a segment in a long message. */
export interface Place {
  /** Equal for all parts of one long message: a hash of sender, recipient, kind of reference, reference and total. */
  readonly base: string;
  readonly number: number;
  readonly total: number;
}

export interface Segment {
  readonly from: string;
  readonly to: string;
  readonly bytes: Buffer;
  readonly coding: number;
  /** Undefined for a message of one part. */
  readonly place: Place | undefined;
  readonly note: string | null;
  /** The national languages of the text, when its header names any. */
  readonly shift?: Shift | undefined;
}

const HEADER_INDICATOR = 0x40;
const INTERNATIONAL = 1;

interface Concatenation {
  readonly kind: string;
  readonly reference: number;
  readonly total: number;
  readonly number: number;
}

export function segmentOf(pdu: Pdu): Segment {
  const from = addressOf(pdu, 'source_addr');
  const to = addressOf(pdu, 'destination_addr');
  const short = pdu.bytes('short_message');
  const whole = short.length > 0 ? short : (pdu.tlv(TLV.messagePayload) ?? short);
  const plain = { from, to, coding: pdu.number('data_coding'), place: undefined, note: null };
  const hasHeader = Boolean(pdu.number('esm_class') & HEADER_INDICATOR);
  const header = hasHeader ? headerOf(whole) : undefined;
  if (hasHeader && !header)
    return { ...plain, bytes: whole, note: 'its header is longer than the message: shown as received' };
  const bytes = header ? whole.subarray(header.length) : whole;
  const elements = header ? elementsOf(header) : [];
  const shift = shiftIn(elements);
  const found = udhConcatenation(elements) ?? sarConcatenation(pdu);
  if (!found || found.total === 1) return { ...plain, shift, bytes };
  const { kind, reference, total, number } = found;
  if (number < 1 || number > total)
    return { ...plain, shift, bytes, note: `its header says part ${number} of ${total}` };
  return { ...plain, shift, bytes, place: { base: hash([from, to, kind, reference, total]), number, total } };
}

/** International numbers get a +. */
function addressOf(pdu: Pdu, name: 'source_addr' | 'destination_addr'): string {
  const address = pdu.text(name);
  const ton = pdu.number(name === 'source_addr' ? 'source_addr_ton' : 'dest_addr_ton');
  return ton === INTERNATIONAL && /^\d+$/.test(address) ? `+${address}` : address;
}

/** With its length octet; undefined when it is longer than the message. */
function headerOf(bytes: Buffer): Buffer | undefined {
  const length = (bytes[0] ?? Number.POSITIVE_INFINITY) + 1;
  return length <= bytes.length ? bytes.subarray(0, length) : undefined;
}

interface Element {
  readonly id: number;
  readonly data: Buffer;
}

/** The information elements; the rest behind one that is cut off is left out. */
function elementsOf(header: Buffer): Element[] {
  const elements: Element[] = [];
  for (let at = 1; at + 2 <= header.length; ) {
    const [id = 0, length = 0] = header.subarray(at, at + 2);
    const data = header.subarray(at + 2, at + 2 + length);
    if (data.length < length) break;
    elements.push({ id, data });
    at += 2 + length;
  }
  return elements;
}

/** The first element that names a part: 0x00 with an 8-bit reference, 0x08 with a 16-bit reference. */
function udhConcatenation(elements: readonly Element[]): Concatenation | undefined {
  for (const { id, data } of elements) {
    const [total = 0, number = 0] = data.subarray(-2);
    if (id === 0x00 && data.length === 3) return { kind: 'udh8', reference: data[0] ?? 0, total, number };
    if (id === 0x08 && data.length === 4) return { kind: 'udh16', reference: data.readUInt16BE(0), total, number };
  }
  return undefined;
}

/** National languages: single shift and locking shift (3GPP TS 23.040, 9.2.3.24.15 and 16). */
function shiftIn(elements: readonly Element[]): Shift | undefined {
  const language = (wanted: number) => elements.find(({ id, data }) => id === wanted && data.length === 1)?.data[0];
  const [single, locking] = [language(0x24), language(0x25)];
  if (single === undefined && locking === undefined) return undefined;
  return { ...(locking !== undefined && { locking }), ...(single !== undefined && { single }) };
}

function sarConcatenation(pdu: Pdu): Concatenation | undefined {
  const [reference, total, number] = [TLV.sarReference, TLV.sarTotal, TLV.sarNumber].map((tag) => tlvNumber(pdu, tag));
  if (reference === undefined || total === undefined || number === undefined) return undefined;
  return { kind: 'sar', reference, total, number };
}

/** In hexadecimal, so that keys can be listed by prefix. */
export function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);
}
