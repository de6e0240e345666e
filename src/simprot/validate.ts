// The bytes of a body, or the JSON text in it, are checked before any library builds values from them:
// complete, no deeper and no more values than a message can need, nothing but plain data. It builds nothing itself, so a
// small body that promises four billion elements, or is nothing but opening brackets, costs nothing.

/** The published structures nest twice; chat contents that we only pass over may nest some more. */
const MAX_DEPTH = 64;
/** An empty object is one byte on the wire and some fifty in memory. A list of 50,000 gateways stays below this. */
const MAX_VALUES = 1_000_000;

/** A violation in one clause, without the body's code; the wire adds that. */
export class InvalidContent extends Error {
  override readonly name = 'InvalidContent';
}

const TIMESTAMP = 0xff;

type Token =
  | { is: 'scalar'; bytes: number }
  /** `length` follows in so many bytes, then that many bytes. */
  | { is: 'text' | 'binary' | 'extension'; lengthBytes: number }
  | { is: 'fixed extension'; bytes: number }
  | { is: 'array' | 'map'; lengthBytes: number }
  | { is: 'unused' };

/** The tokens 0xc0 to 0xdf in order (MessagePack specification, "Formats"); all others carry their length themselves. */
const TOKENS: readonly Token[] = [
  { is: 'scalar', bytes: 0 },
  { is: 'unused' },
  ...[0, 0].map((bytes): Token => ({ is: 'scalar', bytes })),
  ...[1, 2, 4].map((lengthBytes): Token => ({ is: 'binary', lengthBytes })),
  ...[1, 2, 4].map((lengthBytes): Token => ({ is: 'extension', lengthBytes })),
  ...[4, 8, 1, 2, 4, 8, 1, 2, 4, 8].map((bytes): Token => ({ is: 'scalar', bytes })),
  ...[1, 2, 4, 8, 16].map((bytes): Token => ({ is: 'fixed extension', bytes })),
  ...[1, 2, 4].map((lengthBytes): Token => ({ is: 'text', lengthBytes })),
  ...[2, 4].map((lengthBytes): Token => ({ is: 'array', lengthBytes })),
  ...[2, 4].map((lengthBytes): Token => ({ is: 'map', lengthBytes })),
];

/** One token read: where the next one starts, and how many values (keys included) belong inside this one. */
interface Step {
  next: number;
  inside: number;
  keyed: boolean;
  /** Whether it may be the name of a member. */
  name: boolean;
}

/** Throws InvalidContent unless `body` is exactly one MessagePack value of plain data; timestamps are the only extension allowed. */
export function checkMessagePack(body: Buffer): void {
  const open: { left: number; keyed: boolean }[] = [{ left: 1, keyed: false }];
  let at = 0;
  let values = 0;
  for (let top = open.at(-1); top; top = open.at(-1)) {
    if (top.left === 0) {
      open.pop();
      continue;
    }
    const step = readToken(body, at);
    if (top.keyed && top.left % 2 === 0 && !step.name)
      throw new InvalidContent('a map has a key that is no text or number');
    if (++values > MAX_VALUES) throw new InvalidContent(`it holds more than ${MAX_VALUES} values`);
    top.left -= 1;
    at = step.next;
    if (step.inside === 0) continue;
    if (open.length > MAX_DEPTH) throw new InvalidContent(`it nests deeper than ${MAX_DEPTH}`);
    open.push({ left: step.inside, keyed: step.keyed });
  }
  if (at < body.length) throw new InvalidContent(`${body.length - at} bytes are left over behind it`);
}

function readToken(body: Buffer, at: number): Step {
  const byte = body[at];
  if (byte === undefined) throw cutShort();
  if (byte < 0x80 || byte >= 0xe0) return leaf(body, at + 1, true);
  if (byte < 0x90) return container(at + 1, (byte - 0x80) * 2, true);
  if (byte < 0xa0) return container(at + 1, byte - 0x90, false);
  if (byte < 0xc0) return leaf(body, at + 1 + byte - 0xa0, true);
  return readLongToken(body, at + 1, TOKENS[byte - 0xc0] ?? { is: 'unused' });
}

function readLongToken(body: Buffer, at: number, token: Token): Step {
  if (token.is === 'unused') throw new InvalidContent('it holds the byte c1, which MessagePack never uses');
  if (token.is === 'scalar') return leaf(body, at + token.bytes, token.bytes > 0);
  if (token.is === 'fixed extension') return timestamp(body, at, token.bytes);
  const start = at + token.lengthBytes;
  if (start > body.length) throw cutShort();
  const length = body.readUIntBE(at, token.lengthBytes);
  if (token.is === 'extension') return timestamp(body, start, length);
  if (token.is === 'array') return container(start, length, false);
  if (token.is === 'map') return container(start, length * 2, true);
  return leaf(body, start + length, token.is === 'text');
}

function leaf(body: Buffer, next: number, name: boolean): Step {
  if (next > body.length) throw cutShort();
  return { next, inside: 0, keyed: false, name };
}

/** What it announces is believed only as far as the bytes go: each value inside is looked for in turn. */
function container(next: number, inside: number, keyed: boolean): Step {
  return { next, inside, keyed, name: false };
}

function timestamp(body: Buffer, at: number, length: number): Step {
  const type = body[at];
  if (type === undefined) throw cutShort();
  if (type !== TIMESTAMP)
    throw new InvalidContent(`it holds an extension of type ${type}; only timestamps (255) are known`);
  if (length !== 4 && length !== 8 && length !== 12)
    throw new InvalidContent(`it holds a timestamp of ${length} bytes`);
  return leaf(body, at + 1 + length, false);
}

function cutShort(): InvalidContent {
  return new InvalidContent('it ends before it is complete');
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Throws InvalidContent when the text, read as JSON, nests too deep or holds too many values. Says nothing on its grammar. */
export function checkJson(text: string): void {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at + 1);
      continue;
    }
    if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth -= 1;
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) depth += 1;
    else if (code !== COMMA) continue;
    if (depth > MAX_DEPTH) throw new InvalidContent(`its JSON nests deeper than ${MAX_DEPTH}`);
    if (++values > MAX_VALUES) throw new InvalidContent(`its JSON holds more than ${MAX_VALUES} values`);
  }
}

function endOfString(text: string, start: number): number {
  let at = start;
  for (; at < text.length && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++;
  return at;
}
