// winmail.dat: files and plain text inside Outlook's own wrapping (MS-OXTNEF). The rich text body (compressed RTF) is
// left inside; the wrapping itself is always attached too.
import { charsetFor, decodeBytes } from './charset.js';
import type { FoundAttachment } from './found-attachment.js';
import { extensionOf, safeType } from './names.js';

export interface Unpacked {
  readonly files: readonly FoundAttachment[];
  /** '' when there is none. */
  readonly text: string;
}

const SIGNATURE = 0x223e9f78;
/** Files taken out of one wrapping. */
const MOST_FILES = 100;
/** Properties of one attachment; real ones have about 30. */
const MOST_PROPERTIES = 500;

// Attribute ids with their types, MS-OXTNEF 2.1.3.2.
const BODY = 0x0002800c;
const ATTACH_REND_DATA = 0x00069002;
const ATTACH_TITLE = 0x00018010;
const ATTACH_DATA = 0x0006800f;
const ATTACH_PROPERTIES = 0x00069005;

// Property ids, MS-OXPROPS.
const LONG_FILE_NAME = 0x3707;
const MIME_TAG = 0x370e;

interface Loose {
  title: string;
  longName: string;
  type: string;
  bytes: Buffer | undefined;
}

/** Undefined when the bytes are no TNEF. What is damaged in it is left out. */
export function unpackTnef(raw: Buffer): Unpacked | undefined {
  if (raw.length < 6 || raw.readUInt32LE(0) !== SIGNATURE) return undefined;
  const loose: Loose[] = [];
  let text = '';
  for (const { id, data } of attributes(raw)) {
    const current = loose.at(-1);
    if (id === BODY) text = plain(data);
    else if (id === ATTACH_REND_DATA && loose.length < MOST_FILES) {
      loose.push({ title: '', longName: '', type: '', bytes: undefined });
    } else if (!current) continue;
    else if (id === ATTACH_TITLE) current.title = plain(data);
    else if (id === ATTACH_DATA) current.bytes = data;
    else if (id === ATTACH_PROPERTIES) readProperties(data, current);
  }
  return { files: loose.flatMap(enclosureOf), text };
}

function enclosureOf({ title, longName, type, bytes }: Loose): FoundAttachment[] {
  if (!bytes) return [];
  const known = safeType(type.toLowerCase());
  return [{ name: longName || title || `attachment.${extensionOf(known)}`, type: known, bytes }];
}

/** level (1 byte), id (4), length (4), data, checksum (2); all little-endian. */
function* attributes(raw: Buffer): Generator<{ id: number; data: Buffer }> {
  let at = 6;
  while (at + 9 <= raw.length) {
    const length = raw.readUInt32LE(at + 5);
    const start = at + 9;
    if (start + length > raw.length) return;
    yield { id: raw.readUInt32LE(at + 1), data: raw.subarray(start, start + length) };
    at = start + length + 2;
  }
}

function readProperties(data: Buffer, into: Loose): void {
  try {
    const reader = { data, at: 4 };
    const count = Math.min(MOST_PROPERTIES, data.readUInt32LE(0));
    for (let property = 0; property < count; property++) {
      const { id, text } = readProperty(reader);
      if (id === LONG_FILE_NAME && text) into.longName = text;
      if (id === MIME_TAG && text) into.type = text;
    }
  } catch (error) {
    // The list ends in the middle of a value: what was read so far counts.
    if (!(error instanceof RangeError)) throw error;
  }
}

interface PropertyReader {
  data: Buffer;
  at: number;
}

const STRING8 = 0x1e;
const UNICODE = 0x1f;
const SEVERAL = 0x1000;
/** Bytes of the types of fixed size as they are stored; all others carry their length. */
const FIXED: Readonly<Record<number, number>> = {
  2: 4,
  3: 4,
  4: 4,
  5: 8,
  6: 8,
  7: 8,
  10: 4,
  11: 4,
  20: 8,
  64: 8,
  72: 16,
};

function readProperty(reader: PropertyReader): { id: number; text: string } {
  const type = reader.data.readUInt16LE(reader.at);
  const id = reader.data.readUInt16LE(reader.at + 2);
  reader.at += 4;
  if (id >= 0x8000) skipName(reader);
  const base = type & ~SEVERAL;
  const size = FIXED[base];
  const values = size === undefined || type & SEVERAL ? readLength(reader) : 1;
  let text = '';
  for (let value = 0; value < values; value++) {
    const length = size ?? readLength(reader);
    const bytes = reader.data.subarray(reader.at, reader.at + length);
    if (bytes.length < length) throw new RangeError('the property ends too early');
    if (base === UNICODE) text = bytes.toString('utf16le').replace(/\0.*$/s, '');
    else if (base === STRING8) text = plain(bytes);
    reader.at += padded(length);
  }
  return { id, text };
}

/** A named property: its set (16 bytes), and a number or a name. */
function skipName(reader: PropertyReader): void {
  const byName = reader.data.readUInt32LE(reader.at + 16) === 1;
  reader.at += 20;
  const length = readLength(reader);
  if (byName) reader.at += padded(length);
}

function readLength(reader: PropertyReader): number {
  const length = reader.data.readUInt32LE(reader.at);
  reader.at += 4;
  return length;
}

function padded(length: number): number {
  return length + ((4 - (length % 4)) % 4);
}

/** Text up to its closing NUL, in UTF-8 or the usual Windows charset. */
function plain(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  const text = end < 0 ? bytes : bytes.subarray(0, end);
  return decodeBytes(text, charsetFor(text, undefined).charset);
}
