// A typed layer over the tables and field codecs of npm `smpp` (SMPP 3.4, 3.2). The library's own decoder guesses the text
// of a part before its parts are joined, reads past the end of broken fields, and stops its session at a broken PDU. Here
// every field is checked against the length of the PDU, and texts stay bytes.
import smpp from 'smpp';

/** Length of the header, octets. */
export const HEADER = 16;
/** message_payload holds at most 65,535 octets, and all other fields together are far below the rest. */
export const MAX_PDU = 70_000;
/** The length of an optional parameter is a 16-bit number. */
const MAX_TLV = 65_535;

const RESPONSE = 0x80000000;

/** Tags of optional parameters (SMPP 3.4, 5.3.2). */
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
export type Fields = Readonly<Record<string, FieldValue | undefined>>;

type Params = NonNullable<(typeof smpp.commands)[string]['params']>;
type Param = [name: string, param: Params[string]];

/** The mandatory fields of each command in their order. */
const PARAMS: ReadonlyMap<number, readonly Param[]> = new Map(
  Object.values(smpp.commands).map(({ id, params }) => [id, Object.entries(params ?? {})]),
);

export interface Pdu {
  /** `deliver_sm`; `unknown` for an id that is in no table. */
  readonly command: string;
  readonly isResponse: boolean;
  readonly status: number;
  readonly sequence: number;
  /** Everything after the header, unchanged. */
  readonly body: Buffer;
  /** What is wrong with a response that can still be understood; undefined for a correct one. */
  readonly flaw: string | undefined;
  text(name: string): string;
  number(name: string): number;
  bytes(name: string): Buffer;
  tlv(tag: number): Buffer | undefined;
}

/** The bytes are not the PDU that their header names. `isRequest`: the peer waits for a response. */
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

/** A field does not fit its PDU: a fault of the message, not of the connection. Nothing was written. */
export class EncodingFault extends Error {
  override readonly name = 'EncodingFault';
}

/** A field that is not given is empty or 0; a name that is no field of the command is an optional parameter. Throws EncodingFault. */
export function encode(command: string, sequence: number, status: number, fields: Fields = {}): Buffer {
  const table = smpp.commands[command];
  if (!table) throw new EncodingFault(`SMPP has no command ${command}`);
  // An error response has no body (SMPP 3.4, 4.1.2 note).
  const params = status === 0 ? (PARAMS.get(table.id) ?? []) : [];
  try {
    const bytes = encodeBody(params, fields);
    for (const [at, value] of [bytes.length, table.id, status, sequence].entries()) bytes.writeUInt32BE(value, at * 4);
    return bytes;
  } catch (error) {
    if (error instanceof EncodingFault || !(error instanceof Error)) throw error;
    throw new EncodingFault(`a field of ${command} cannot be encoded: ${error.message}`, { cause: error });
  }
}

/** With room for the header in front. */
function encodeBody(params: readonly Param[], fields: Fields): Buffer {
  const values = params.map(([name, { type }]) => fields[name] ?? type.default);
  const tlvs = Object.keys(fields).filter((name) => smpp.tlvs[name] && fields[name] !== undefined);
  let length = HEADER;
  for (const [at, [, { type }]] of params.entries()) length += type.size(values[at]);
  for (const name of tlvs) length += 4 + tlvSize(name, fields[name]);
  // From Node's pool: an allocation of its own for every PDU keeps the garbage collector busy.
  const bytes = Buffer.allocUnsafe(length).fill(0);
  let at = HEADER;
  for (const [index, [, { type }]] of params.entries()) {
    type.write(values[index], bytes, at);
    at += type.size(values[index]);
  }
  for (const name of tlvs) at = writeTlv(bytes, at, name, fields[name]);
  return bytes;
}

function tlvSize(name: string, value: FieldValue | undefined): number {
  const size = smpp.tlvs[name]?.type.size(value) ?? 0;
  if (size > MAX_TLV) throw new EncodingFault(`${name} would have ${size} octets, and ${MAX_TLV} is the most`);
  return size;
}

function writeTlv(bytes: Buffer, at: number, name: string, value: FieldValue | undefined): number {
  const tlv = smpp.tlvs[name];
  if (!tlv) return at;
  const size = tlv.type.size(value);
  bytes.writeUInt16BE(tlv.id, at);
  bytes.writeUInt16BE(size, at + 2);
  tlv.type.write(value, bytes, at + 4);
  return at + 4 + size;
}

/**
 * `bytes`: one whole PDU whose length field the caller has checked. Throws Malformed. Responses are read leniently: a
 * rejection counts whatever follows its status, and an accepted message must not become unknown for a missing NUL.
 */
export function decode(bytes: Buffer): Pdu {
  const id = bytes.readUInt32BE(4);
  const status = bytes.readUInt32BE(8);
  const sequence = bytes.readUInt32BE(12);
  const isResponse = id >= RESPONSE;
  const command = smpp.commandsById[id]?.command;
  const fields = new Map<string, unknown>();
  const tlvs = new Map<number, Buffer>();
  let flaw: string | undefined;
  const fail = (what: string, isHarmless: boolean) => {
    const whole = `${command ?? `command ${id.toString(16)}`}: ${what}`;
    if (!isHarmless) throw new Malformed(whole, sequence, !isResponse);
    flaw ??= whole;
  };
  if (command) decodeBody(bytes, PARAMS.get(id) ?? [], { fields, tlvs, isResponse, status, fail });
  const body = bytes.subarray(HEADER);
  return {
    command: command ?? 'unknown',
    isResponse,
    status,
    sequence,
    body,
    flaw,
    ...accessors(fields, tlvs),
  };
}

function accessors(fields: ReadonlyMap<string, unknown>, tlvs: ReadonlyMap<number, Buffer>) {
  return {
    text: (name: string) => String(fields.get(name) ?? ''),
    number: (name: string) => Number(fields.get(name) ?? 0),
    bytes(name: string) {
      const value = fields.get(name);
      return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
    },
    tlv: (tag: number) => tlvs.get(tag),
  };
}

interface Decoding {
  readonly fields: Map<string, unknown>;
  readonly tlvs: Map<number, Buffer>;
  readonly isResponse: boolean;
  readonly status: number;
  /** Throws unless the fault is harmless; after a harmless one the rest of the body is left out. */
  fail(what: string, isHarmless: boolean): void;
}

function decodeBody(bytes: Buffer, params: readonly Param[], decoding: Decoding): void {
  const { fields, tlvs, isResponse, status, fail } = decoding;
  const isRejection = isResponse && status !== 0;
  let at = HEADER;
  // A response may end after its header (SMPP 3.4, 4.1.2 note).
  if (bytes.length === HEADER && isResponse) return;
  for (const [name, { type }] of params) {
    if (at >= bytes.length) return void fail(`it ends before ${name}`, isRejection);
    const { value, end } = fieldAt(bytes, at, type);
    if (Buffer.isBuffer(value) && bytes[at] !== value.length)
      return void fail(`${name} is shorter than its length says`, isRejection);
    const lacksNul = typeof value === 'string' && end === bytes.length + 1;
    if (lacksNul && isResponse) fail(`${name} has no final NUL`, true);
    else if (end > bytes.length) return void fail(`${name} runs over the end`, isRejection);
    fields.set(name, value);
    at = end;
  }
  const wrong = decodeTlvs(bytes, at, tlvs);
  if (wrong !== undefined) fail(wrong, isResponse);
}

/** The library throws where a number, or an entry of a list, is cut off: such a field runs over the end, too. */
function fieldAt(bytes: Buffer, at: number, type: Params[string]['type']): { value?: unknown; end: number } {
  try {
    const value = type.read(bytes, at);
    return { value, end: at + type.size(value) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { end: Number.POSITIVE_INFINITY };
  }
}

/** Returns what is wrong with the optional parameters; those before the fault are read. */
function decodeTlvs(bytes: Buffer, start: number, tlvs: Map<number, Buffer>): string | undefined {
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
