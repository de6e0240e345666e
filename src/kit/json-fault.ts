// Finds the position of the first fault in JSON, because administrators write JSON by hand and JSON.parse does not
// always tell one. Checks RFC 8259, and two things that JSON.parse lets pass: a name given twice, and absurd nesting.
export interface JsonFault {
  /** Offset of the first wrong character, in UTF-16 code units from 0. */
  at: number;
  /** What is wrong there, one clause. */
  message: string;
}

/** Device settings are two or three levels deep; anything near this is an attack or an accident. */
const DEEPEST = 64;

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/uy;
const LITERAL = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/** The first fault of `text` as JSON, or null when JSON.parse will take it. */
export function jsonFault(text: string): JsonFault | null {
  const scanner = { text, at: 0 };
  return value(scanner, 0) ?? rest(scanner) ?? null;
}

interface Scanner {
  text: string;
  at: number;
}

type Found = JsonFault | undefined;

function rest(scanner: Scanner): Found {
  return here(scanner) === ''
    ? undefined
    : fault(scanner, `nothing may follow the JSON, but there is ${shown(scanner)}`);
}

function value(scanner: Scanner, depth: number): Found {
  if (depth > DEEPEST) return fault(scanner, `it is nested deeper than ${DEEPEST} levels`);
  const char = here(scanner);
  if (char === '{') return list(scanner, '}', (names) => member(scanner, depth, names));
  if (char === '[') return list(scanner, ']', () => value(scanner, depth + 1));
  if (char === '"') return string(scanner);
  if (match(scanner, LITERAL)) return undefined;
  return fault(scanner, `a value is expected, but there is ${shown(scanner)}${quoteAdvice(char)}`);
}

/** An object or an array: `entry` reads one member or element. */
function list(scanner: Scanner, end: '}' | ']', entry: (names: Set<string>) => Found): Found {
  const names = new Set<string>();
  scanner.at += 1;
  if (here(scanner) === end) return step(scanner);
  for (;;) {
    const wrong = entry(names);
    if (wrong) return wrong;
    const char = here(scanner);
    if (char === end) return step(scanner);
    if (char !== ',') return fault(scanner, `a comma or ${end} is expected, but there is ${shown(scanner)}`);
    step(scanner);
    if (here(scanner) === end) return fault(scanner, `there is a comma too many before ${end}`);
  }
}

function member(scanner: Scanner, depth: number, names: Set<string>): Found {
  const char = here(scanner);
  const start = scanner.at;
  if (char !== '"') return fault(scanner, `a name in double quotes is expected, but there is ${shown(scanner)}`);
  const wrong = string(scanner);
  if (wrong) return wrong;
  const name = scanner.text.slice(start, scanner.at);
  if (names.has(name)) return { at: start, message: `${name} is given twice` };
  names.add(name);
  if (here(scanner) !== ':') return fault(scanner, `a colon is expected after ${name}, but there is ${shown(scanner)}`);
  step(scanner);
  return value(scanner, depth + 1);
}

function string(scanner: Scanner): Found {
  match(scanner, STRING);
  const char = scanner.text[scanner.at];
  if (char === '"') return step(scanner);
  if (char === undefined) return fault(scanner, 'a closing double quote is missing');
  if (char !== '\\') return fault(scanner, 'a line break, tab or other control character stands inside a text');
  const pair = scanner.text.slice(scanner.at, scanner.at + 2);
  return fault(scanner, `a backslash inside JSON must be doubled: write \\${pair} instead of ${pair}`);
}

/** The next character that is not blank, '' at the end. */
function here(scanner: Scanner): string {
  match(scanner, SPACE);
  return scanner.text[scanner.at] ?? '';
}

function step(scanner: Scanner): undefined {
  scanner.at += 1;
}

function match(scanner: Scanner, pattern: RegExp): boolean {
  pattern.lastIndex = scanner.at;
  const found = pattern.exec(scanner.text)?.[0] ?? '';
  scanner.at += found.length;
  return found !== '';
}

function fault(scanner: Scanner, message: string): JsonFault {
  return { at: scanner.at, message };
}

/** Words that people write for a value; any other one may be part of a password, and faults are logged. */
const COMMON = /^(?:true|false|null|yes|no|on|off|none|undefined|nan)$/i;

function shown(scanner: Scanner): string {
  const word = /[\p{L}\p{N}_.$-]+|./suy;
  word.lastIndex = scanner.at;
  const found = word.exec(scanner.text)?.[0];
  if (found === undefined) return 'the end';
  return found.length === 1 || COMMON.test(found) ? found : 'a word without quotes';
}

function quoteAdvice(char: string): string {
  return /[\p{L}'\p{N}/\\]/u.test(char) ? ' (texts stand in double quotes)' : '';
}
