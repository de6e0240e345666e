// The end and the dots of DATA (RFC 5321 4.5.2). Only CR LF . CR LF ends a mail: a bare CR or LF around the dot does not, or a
// client could hide a second mail behind it ("SMTP smuggling"). A doubled dot at the start of a line loses one. Each piece of
// input gives one piece of output, however short its lines are.
//   text     in a line, or after a bare CR
//   cr       after CR
//   lf       after a bare LF: a doubled dot loses one, a single dot ends nothing
//   crlf     at the start of the mail or of a line
//   lfDot    a dot after a bare LF, not yet written
//   dot      a dot after CR LF, not yet written
//   dotCr    that dot and CR, not yet written -> with LF the mail is over
const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

type State = 'text' | 'cr' | 'lf' | 'crlf' | 'lfDot' | 'dot' | 'dotCr';

export interface Undotted {
  readonly output: Buffer;
  /** Where the input continues behind the end of the mail; undefined when the mail goes on. */
  readonly end?: number;
}

/** Bytes that a state holds back and that the next input may release: "." and CR. */
const MOST_HELD = 2;

export function undotter(): { push(input: Uint8Array): Undotted } {
  let state: State = 'crlf';
  return {
    push(input) {
      const output = Buffer.allocUnsafe(input.length + MOST_HELD);
      let length = 0;
      for (let at = 0; at < input.length; at++) {
        const byte = input[at] as number;
        const before = state;
        state = next(before, byte);
        if (before === 'dotCr' && byte === LF) return { output: output.subarray(0, length), end: at + 1 };
        if (state === 'dot' || state === 'lfDot' || state === 'dotCr') continue;
        if (holds(before, byte)) output[length++] = DOT;
        if (before === 'dotCr') output[length++] = CR;
        output[length++] = byte;
      }
      return { output: output.subarray(0, length) };
    },
  };
}

function next(state: State, byte: number): State {
  if (byte === DOT) {
    if (state === 'crlf') return 'dot';
    return state === 'lf' ? 'lfDot' : 'text';
  }
  if (byte === CR) return state === 'dot' ? 'dotCr' : 'cr';
  if (byte === LF) return state === 'cr' || state === 'dotCr' ? 'crlf' : 'lf';
  return 'text';
}

/** Whether a dot was held back that is part of the mail: of two dots only the second one is written. */
function holds(state: State, byte: number): boolean {
  return state === 'dotCr' || ((state === 'dot' || state === 'lfDot') && byte !== DOT);
}
