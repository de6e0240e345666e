// Text files that administrators write: UTF-8, with or without a byte order mark (YAML 1.2, 5.2).
import { GatepostError } from './errors.js';

const MARK = '\ufeff';

/** Throws `file/not-utf8`, naming the file, the line and what to do; characters must not be replaced silently. */
export function utf8Text(bytes: Uint8Array, file: string): string {
  if (startsWith(bytes, [0xff, 0xfe]) || startsWith(bytes, [0xfe, 0xff])) throw notUtf8(`${file} is UTF-16, not UTF-8`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.startsWith(MARK) ? text.slice(MARK.length) : text;
  } catch {
    throw notUtf8(`${file}, line ${faultyLine(bytes)}, is not UTF-8`);
  }
}

function notUtf8(message: string): GatepostError {
  return new GatepostError('file/not-utf8', message, { advice: 'save the file as UTF-8' });
}

function startsWith(bytes: Uint8Array, mark: readonly number[]): boolean {
  return mark.every((byte, index) => bytes[index] === byte);
}

/** The first line that is not UTF-8: no byte of a longer UTF-8 sequence is a line feed. */
function faultyLine(bytes: Uint8Array): number {
  const lines = Buffer.from(bytes).toString('latin1').split('\n');
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const index = lines.findIndex((line) => {
    try {
      decoder.decode(Buffer.from(line, 'latin1'));
      return false;
    } catch {
      return true;
    }
  });
  return Math.max(0, index) + 1;
}
