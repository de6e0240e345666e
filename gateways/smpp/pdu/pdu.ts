// Owns the bytes of one PDU (SMPP 3.4, 3.2): a thin typed layer over the tables and field codecs of npm `smpp`. Its own
// reader guesses texts before their parts are joined and runs over the end of broken fields, and a broken PDU stops its
// session for good; here every field is checked against the length, and texts stay bytes.
import smpp from 'smpp';

/** Header of every PDU, octets. */
export const HEADER = 16;
/** message_payload carries 65,535 octets at most; all other fields together are far below the rest. */
export const MAX_PDU = 70_000;

const RESPONSE = 0x80000000;

/** Optional parameters by tag (SMPP 3.4, 5.3.2). */
export const TLV = {
  receiptedMessageId: 0x001e,
  sarReference: 0x020c,
  sarTotal: 0x020e,
  sarNumber: 0x020f,
  networkErrorCode: 0x0423,
  messagePayload: 0x0424,
  messageState: 0x0427,
} as const;

export type FieldValue = string | number | Buffer;

type Params = NonNullable<(typeof smpp.commands)[string]['params']>;

/** The fields of each command in their order, taken out of the table once: they are asked for at every PDU. */
const ordered = new Map<Params, [string, Params[string]][]>();

function paramsOf(params: Params | undefined): [string, Params[string]][] {
  if (!params) return [];
  let list = ordered.get(params);
  if (!list) {
    list = Object.entries(params);
    ordered.set(params, list);
  }
  return list;
}

export interface Pdu {
  /** `deliver_sm`; `unknown` when the id is in no table. */
  readonly command: string;
  readonly isResponse: boolean;
  readonly status: number;
  readonly sequence: number;
  /** Everything behind the header, as it came. */
  readonly body: Buffer;
  /** What is wrong with an answer that can be understood all the same; undefined when nothing is. */
  readonly flaw: string | undefined;
  text(name: string): string;
  number(name: string): number;
  bytes(name: string): Buffer;
  tlv(tag: number): Buffer | undefined;
}

/** The bytes are no PDU of the kind they say. `isRequest`: somebody waits for an answer to it. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
  readonly sequence: number;
  readonly isRequest: boolean;
  constructor(message: string, sequence: number, isRequest: boolean) {
    super(message);
    this.sequence = sequence;
    this.isRequest = isRequest;
  }
}

/** Every field that is not given is empty or 0; names that are no field of the command are optional parameters. */
export function encode(
  command: string,
  sequence: number,
  status: number,
  fields: Readonly<Record<string, FieldValue | undefined>> = {},
): Buffer {
  const table = smpp.commands[command];
  if (!table) throw new Error(`no such command: ${command}`);
  // An error answer has no body (SMPP 3.4, 4.1.2 note).
  const params = status === 0 ? paramsOf(table.params) : [];
  const values = params.map(([name, { type }]) => fields[name] ?? type.default);
  const tlvs = Object.keys(fields).filter((name) => smpp.tlvs[name] && fields[name] !== undefined);
  let length = HEADER;
  for (const [at, [, { type }]] of params.entries()) length += type.size(values[at]);
  for (const name of tlvs) length += 4 + (smpp.tlvs[name]?.type.size(fields[name]) ?? 0);
  // Out of Node's pool: one allocation of its own for every PDU keeps the garbage collector busy.
  const bytes = Buffer.allocUnsafe(length).fill(0);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt32BE(table.id, 4);
  bytes.writeUInt32BE(status, 8);
  bytes.writeUInt32BE(sequence, 12);
  let place = HEADER;
  for (const [at, [, { type }]] of params.entries()) {
    type.write(values[at], bytes, place);
    place += type.size(values[at]);
  }
  for (const name of tlvs) place = writeTlv(bytes, place, name, fields[name]);
  return bytes;
}

function writeTlv(bytes: Buffer, place: number, name: string, value: FieldValue | undefined): number {
  const tlv = smpp.tlvs[name];
  if (!tlv) return place;
  const size = tlv.type.size(value);
  bytes.writeUInt16BE(tlv.id, place);
  bytes.writeUInt16BE(size, place + 2);
  tlv.type.write(value, bytes, place + 4);
  return place + 4 + size;
}

/**
 * `bytes`: one whole PDU, its own length checked by the caller. Throws Malformed. Answers are read leniently: a refusal
 * is one whatever follows it, and a message that was taken must not count as uncertain for the sake of a missing NUL.
 */
export function decode(bytes: Buffer): Pdu {
  const id = bytes.readUInt32BE(4);
  const status = bytes.readUInt32BE(8);
  const sequence = bytes.readUInt32BE(12);
  const isResponse = id >= RESPONSE;
  const table = smpp.commandsById[id];
  const fields = new Map<string, unknown>();
  const tlvs = new Map<number, Buffer>();
  let flaw: string | undefined;
  const fail = (what: string, isHarmless: boolean) => {
    const whole = `${table?.command ?? `command ${id.toString(16)}`}: ${what}`;
    if (!isHarmless) throw new Malformed(whole, sequence, !isResponse);
    flaw ??= whole;
  };
  if (table) readBody(bytes, table.params, { fields, tlvs, isResponse, status, fail });
  return {
    command: table?.command ?? 'unknown',
    isResponse,
    status,
    sequence,
    body: bytes.subarray(HEADER),
    flaw,
    text: (name) => String(fields.get(name) ?? ''),
    number: (name) => Number(fields.get(name) ?? 0),
    bytes(name) {
      const value = fields.get(name);
      return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
    },
    tlv: (tag) => tlvs.get(tag),
  };
}

interface Reading {
  readonly fields: Map<string, unknown>;
  readonly tlvs: Map<number, Buffer>;
  readonly isResponse: boolean;
  readonly status: number;
  /** Throws unless it is harmless; then the rest of the body is left out. */
  fail(what: string, isHarmless: boolean): void;
}

function readBody(bytes: Buffer, params: Params | undefined, reading: Reading): void {
  const { fields, tlvs, isResponse, status, fail } = reading;
  const isRefusal = isResponse && status !== 0;
  let at = HEADER;
  // An answer may end behind its header (SMPP 3.4, 4.1.2 note).
  if (bytes.length === HEADER && isResponse) return;
  for (const [name, { type }] of paramsOf(params)) {
    if (at >= bytes.length) return void fail(`it ends before ${name}`, isRefusal);
    const { value, end } = fieldAt(bytes, at, type);
    if (Buffer.isBuffer(value) && bytes[at] !== value.length)
      return void fail(`${name} is shorter than it says`, isRefusal);
    const lacksNul = typeof value === 'string' && end === bytes.length + 1;
    if (lacksNul && isResponse) fail(`${name} has no final NUL`, true);
    else if (end > bytes.length) return void fail(`${name} runs over the end`, isRefusal);
    fields.set(name, value);
    at = end;
  }
  const wrong = readTlvs(bytes, at, tlvs);
  if (wrong !== undefined) fail(wrong, isResponse);
}

/** The library's readers throw where a number, or what a list announces, is cut off: that is over the end, too. */
function fieldAt(bytes: Buffer, at: number, type: Params[string]['type']): { value?: unknown; end: number } {
  try {
    const value = type.read(bytes, at);
    return { value, end: at + type.size(value) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { end: Number.POSITIVE_INFINITY };
  }
}

/** What is wrong with them; those before that are read. */
function readTlvs(bytes: Buffer, start: number, tlvs: Map<number, Buffer>): string | undefined {
  for (let at = start; at < bytes.length; ) {
    if (at + 4 > bytes.length) return 'an optional parameter is cut off';
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) return 'an optional parameter runs over the end';
    tlvs.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, end));
    at = end;
  }
  return undefined;
}

/** A number of one to four octets in an optional parameter; undefined when it is absent or empty. */
export function tlvNumber(pdu: Pdu, tag: number): number | undefined {
  const value = pdu.tlv(tag);
  return value && value.length > 0 && value.length <= 4 ? value.readUIntBE(0, value.length) : undefined;
}

/** A C string in an optional parameter, with or without its final NUL. */
export function tlvText(pdu: Pdu, tag: number): string | undefined {
  return pdu.tlv(tag)?.toString('latin1').replace(/\0.*$/s, '').trim();
}
