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

/** `bytes`: one whole PDU, its own length checked by the caller. Throws Malformed. */
export function decode(bytes: Buffer): Pdu {
  const id = bytes.readUInt32BE(4);
  const status = bytes.readUInt32BE(8);
  const sequence = bytes.readUInt32BE(12);
  const isResponse = id >= RESPONSE;
  const table = smpp.commandsById[id];
  const body = bytes.subarray(HEADER);
  const fail = (what: string) =>
    new Malformed(`${table?.command ?? `command ${id.toString(16)}`}: ${what}`, sequence, !isResponse);
  const fields = new Map<string, unknown>();
  let at = HEADER;
  // An error answer may end behind its header (SMPP 3.4, 4.1.2 note).
  const params = body.length === 0 && isResponse ? [] : paramsOf(table?.params);
  for (const [name, { type }] of params) {
    if (at >= bytes.length) throw fail(`it ends before ${name}`);
    const value = type.read(bytes, at);
    const size = type.size(value);
    if (at + size > bytes.length) throw fail(`${name} runs over the end`);
    if (Buffer.isBuffer(value) && bytes[at] !== value.length) throw fail(`${name} is shorter than it says`);
    fields.set(name, value);
    at += size;
  }
  const tlvs = table ? readTlvs(bytes, at, fail) : new Map<number, Buffer>();
  return {
    command: table?.command ?? 'unknown',
    isResponse,
    status,
    sequence,
    body,
    text: (name) => String(fields.get(name) ?? ''),
    number: (name) => Number(fields.get(name) ?? 0),
    bytes(name) {
      const value = fields.get(name);
      return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
    },
    tlv: (tag) => tlvs.get(tag),
  };
}

function readTlvs(bytes: Buffer, start: number, fail: (what: string) => Malformed): Map<number, Buffer> {
  const tlvs = new Map<number, Buffer>();
  for (let at = start; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw fail('an optional parameter is cut off');
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) throw fail('an optional parameter runs over the end');
    tlvs.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, end));
    at = end;
  }
  return tlvs;
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
