// A body is [code, peer, content] in MessagePack, the content as JSON text or as native maps. The vendor
// publishes none of this, so this module is made to be replaced: nothing outside it knows MessagePack.
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import { GatepostError, messageOf } from '../kit/errors.js';
import { checkJson, checkMessagePack, InvalidContent } from './validate.js';

export interface Frame {
  /** The MSG name. */
  readonly code: string;
  /** The SimProt address the MSG is for; null from connector to server. */
  readonly peer: string | null;
  /** Plain data: null, or what the JSON text or the native value said. Times may be Date objects. */
  readonly content: unknown;
}

/** How we write contents. Both are read at any time. */
export type Encoding = 'json' | 'msgpack';

/** An array of three. */
const FRAME_HEAD = Buffer.of(0x93);
/** Longer codes are not repeated in error messages. */
const LONGEST_QUOTED_CODE = 64;

// Plain maps only: msgpackr's records are an extension of its own that no other peer reads.
const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });
// Numbers above 2^53 lose their last digits, exactly as they do in JSON.
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** The body of a frame. Text, numbers and booleans are always JSON text, because a bare str means JSON text. */
export function encodeBody({ code, peer, content }: Frame, encoding: Encoding): Buffer {
  const head = [FRAME_HEAD, packr.pack(code), packr.pack(peer)];
  if (content === null || content === undefined) return Buffer.concat([...head, packr.pack(null)]);
  if (encoding === 'msgpack' && typeof content === 'object') return Buffer.concat([...head, packr.pack(content)]);
  // Not through msgpackr: it would set aside three times the length of a long text, and keep it.
  const text = Buffer.from(JSON.stringify(content));
  return Buffer.concat([...head, textHead(text.length), text]);
}

function textHead(bytes: number): Buffer {
  const head = Buffer.alloc(5, 0xdb);
  head.writeUInt32BE(bytes, 1);
  return head;
}

/** Throws `session/protocol`, with the code named as far as it can be read, for anything that is no such body. */
export function decodeBody(body: Buffer): Frame {
  try {
    checkMessagePack(body);
    return frameOf(unpackr.unpack(body));
  } catch (error) {
    const clause = error instanceof InvalidContent ? error.message : `it cannot be read (${messageOf(error)})`;
    const code = codeIn(body);
    const what = code === undefined ? 'a frame' : `the frame ${JSON.stringify(code)}`;
    throw new GatepostError('session/protocol', `${what} of ${body.length} bytes is malformed: ${clause}`, {
      advice: 'Both sides must speak the same framing: a MessagePack array [code, peer, content].',
      cause: error,
    });
  }
}

function frameOf(value: unknown): Frame {
  if (!Array.isArray(value) || value.length !== 3) throw new InvalidContent('it is not an array of three');
  const [code, peer, content]: unknown[] = value;
  if (typeof code !== 'string') throw new InvalidContent('its code is not text');
  if (typeof peer !== 'string' && peer !== null) throw new InvalidContent('its peer is neither text nor nil');
  return { code, peer, content: contentOf(content) };
}

function contentOf(content: unknown): unknown {
  if (typeof content === 'string') return parseJson(content);
  if (content === null || Array.isArray(content)) return content;
  const plain = typeof content === 'object' && Object.getPrototypeOf(content) === Object.prototype;
  if (!plain) throw new InvalidContent('its content is neither text, map, array nor nil');
  return content;
}

function parseJson(text: string): unknown {
  checkJson(text);
  try {
    // An own member named __proto__ would become a prototype when it is assigned on.
    return /__proto__|\\u005f/i.test(text) ? JSON.parse(text, withoutProto) : JSON.parse(text);
  } catch (error) {
    throw new InvalidContent(`its content is text but no JSON (${messageOf(error).slice(0, 120)})`, { cause: error });
  }
}

function withoutProto(key: string, value: unknown): unknown {
  return key === '__proto__' ? undefined : value;
}

/** The code of a body that may be broken elsewhere; undefined when that is broken too, or long. */
function codeIn(body: Buffer): string | undefined {
  const token = body[1] ?? 0;
  if (token === 0xd9) return quotable(body, 3, body[2] ?? 0);
  return token >= 0xa0 && token < 0xc0 ? quotable(body, 2, token - 0xa0) : undefined;
}

function quotable(body: Buffer, start: number, bytes: number): string | undefined {
  if (bytes > LONGEST_QUOTED_CODE || start + bytes > body.length) return undefined;
  return body.toString('utf8', start, start + bytes);
}
