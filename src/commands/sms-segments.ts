import { GatepostError } from '../kit/errors.js';
import { segmentsOf } from '../kit/gsm.js';
import type { Output } from './output.js';
import { readStdin } from './stdin.js';

/** Far above what can be sent; a bound on time. */
const MAX_INPUT = 64 * 1024;

export async function smsSegmentsCommand({ out }: Output): Promise<number> {
  const { encoding, segments, forcedBy } = segmentsOf(textOf(await readStdin(MAX_INPUT)));
  out(`${JSON.stringify({ encoding, segments, forcedBy })}\n`);
  return 0;
}

/** The whole text less the one line end that `echo` and editors append. */
export function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch (error) {
    throw new GatepostError('input/unreadable', 'standard input is not UTF-8 text', {
      advice: 'convert it, for example with iconv -t utf-8',
      cause: error,
    });
  }
}
