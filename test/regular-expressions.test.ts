// No regular expression of the product takes more than linear time over input that has no bound: a hostile message must not hold
// up the service. Each one that recheck cannot clear stands in the table below, with the bound of its input.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { check } from 'recheck';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Exception {
  file: string;
  /** As it stands in the file: the literal, or the first argument of `new RegExp`. */
  pattern: string;
  /** Most characters that it is applied to; 0: it is applied to nothing that comes from outside. */
  bound: number;
  why: string;
  /** recheck finds no answer in a reasonable time, or one that depends on the time, so it is not asked. */
  undecided?: true;
}

const EXCEPTIONS: readonly Exception[] = [
  {
    file: 'src/content/mail/parse/mail-date.ts',
    pattern: String.raw`/(?:^|[^\d:])(\d{1,2})(?:st|nd|rd|th)?[ .,/-]{0,3}(\p{L}{3,12})[ .,/-]{0,3}(\d{2,4})(?![\d:])(.*)$/u`,
    bound: 200,
    why: 'a longer value is no date',
    undecided: true,
  },
  {
    file: 'src/content/mail/parse/mail-date.ts',
    pattern: String.raw`/(?:^|[ ,])(\p{L}{3,12})[ .-]{1,3}(\d{1,2})(?:st|nd|rd|th)?(?:,? | at )(.*)$/u`,
    bound: 200,
    why: 'a longer value is no date',
    undecided: true,
  },
  {
    file: 'src/content/mail/parse/mail-date.ts',
    pattern: String.raw`/(?:^|[ ,])(\d{1,2})([./-]) ?(\d{1,2})\2 ?(\d{2}|\d{4})(?!\d)(.*)$/`,
    bound: 200,
    why: 'a longer value is no date',
    undecided: true,
  },
  {
    file: 'src/content/mail/parse/content-field.ts',
    pattern: String.raw`/(?:^|[\s,])[\w-]{1,60}(?:\*\d{0,3}\*?)?\s{0,5}=(?!\?)/`,
    bound: 8192,
    why: 'the field is cut before, and every repetition has a bound',
    undecided: true,
  },
  {
    file: 'gateways/http-sms/value-path.ts',
    pattern: String.raw`/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g`,
    bound: 1_048_576,
    why: 'JSON.parse has read the text before, so every quote has its second one and every match succeeds: linear',
  },
  {
    file: 'gateways/hylafax/check.ts',
    pattern: '/scheduler on [^:]*: (.*)$/',
    bound: 500,
    why: 'the line is cut before',
  },
  {
    file: 'src/content/fax/render/sheet.ts',
    pattern: String.raw`/(<[^<>]*>)|((?:&[#\w]+;|[^\s<&]){25,})/gu`,
    bound: 1_000_000,
    why: 'cleaned HTML, in which & begins a reference: at most 24 starts before a blank fail, and none reaches behind it',
    undecided: true,
  },
  {
    file: 'gateways/smtp-listener/path-command.ts',
    pattern: String.raw`/"(?:[^"\\]|\\.)*"/g`,
    bound: 512,
    why: 'a longer address is refused before',
  },
  {
    file: 'src/content/mail/parse/reports.ts',
    pattern: String.raw`/(?:^|[^\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)/`,
    bound: 3_000,
    why: 'the value of a field of a report is cut before; a character of it stands for three at most',
    undecided: true,
  },
  {
    file: 'src/content/mail/parse/extract-attachments.ts',
    pattern: String.raw`/<meta[^>]{0,200}?charset\s*=\s*["']?([\w:.-]{1,40})/i`,
    bound: 2_048,
    why: 'the beginning of the HTML',
    undecided: true,
  },
  {
    file: 'src/content/mail/parse/transfer.ts',
    pattern: String.raw`/\([^)]*\)|"/g`,
    bound: 200,
    why: 'the name of an encoding is cut before',
  },
];

/** Patterns that are put together at run time from what no stranger writes. */
const MADE: readonly { file: string; pattern: string; why: string }[] = [
  {
    file: 'src/content/html/css.ts',
    pattern: '`^(?:${pattern})$`',
    why: 'made of the constants of the file; anchored, and a style attribute is cut before',
  },
  {
    file: 'src/content/html/markup.ts',
    pattern: '`</${name}(?=[\\\\t\\\\n\\\\f\\\\r />])`',
    why: 'the name of a raw text element, from a list',
  },
  { file: 'src/kit/redact.ts', pattern: "heads.map(quote).join('|')", why: 'secrets as plain text' },
  {
    file: 'src/commands/docs.ts',
    pattern: '`(<!-- ${marker} -->\\n)[\\\\s\\\\S]*?(<!-- /${marker} -->)`',
    why: 'our own documents',
  },
  {
    file: 'gateways/smpp/receipts/receipt-text.ts',
    pattern: '`${BEFORE}(?:${NAME})["\']?[ \\\\t]{0,3}[:=]`',
    why: 'the names of the fields from the table of the file; 2,000 characters of a receipt are read',
  },
  {
    file: 'gateways/smpp/receipts/receipt-text.ts',
    pattern: '`${BEFORE}(?:${NAME})(?=[ \\\\t])`',
    why: 'as the one before',
  },
  { file: 'gateways/smpp/settings.ts', pattern: '`^[\\\\x20-\\\\x7e]{0,${longest}}$`', why: 'a length from the code' },
];

interface Found {
  file: string;
  pattern: string;
  /** Undefined when it is known only at run time. */
  regex: { source: string; flags: string } | undefined;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !/\.(?:test|d)\.ts$/.test(name))
    .map((name) => join(folder, name).replaceAll('\\', '/'));
}

type Node = Record<string, unknown> & { type: string; start: number; end: number };

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value;

function* nodesOf(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const member of value) yield* nodesOf(member);
  if (!isNode(value)) return;
  yield value;
  for (const member of Object.values(value)) if (typeof member === 'object') yield* nodesOf(member);
}

function patternsOf(file: string): Found[] {
  const text = readFileSync(join(root, file), 'utf8');
  const nodes = [...nodesOf(parseSync(file, text).program)];
  const constants = constantsOf(nodes);
  return nodes.flatMap((node): Found[] => {
    const { regex, callee } = node;
    if (node.type === 'Literal' && isRegex(regex)) {
      const pattern = `/${regex.pattern}/${regex.flags}`;
      return [{ file, pattern, regex: { source: regex.pattern, flags: regex.flags } }];
    }
    if (!/^(?:New|Call)Expression$/.test(node.type) || !isNode(callee) || callee.name !== 'RegExp') return [];
    const [first, second] = Array.isArray(node.arguments) ? node.arguments : [];
    if (!isNode(first)) return [];
    const [source, flags] = [textOf(first, constants), second ? textOf(second, constants) : ''];
    const regex2 = source === undefined || flags === undefined ? undefined : { source, flags };
    return [{ file, pattern: text.slice(first.start, first.end), regex: regex2 }];
  });
}

function isRegex(value: unknown): value is { pattern: string; flags: string } {
  return typeof value === 'object' && value !== null && 'pattern' in value && 'flags' in value;
}

/** The constants of a file that are plain texts. */
function constantsOf(nodes: readonly Node[]): Map<string, string> {
  const constants = new Map<string, string>();
  for (const { type, id, init } of nodes) {
    if (type !== 'VariableDeclarator' || !isNode(id) || typeof id.name !== 'string' || !isNode(init)) continue;
    const text = textOf(init, constants);
    if (text !== undefined) constants.set(id.name, text);
  }
  return constants;
}

function textOf(node: Node, constants: ReadonlyMap<string, string>): string | undefined {
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : undefined;
  if (node.type === 'Identifier') return constants.get(String(node.name));
  if (node.type !== 'TemplateLiteral' || !Array.isArray(node.quasis) || !Array.isArray(node.expressions))
    return undefined;
  const parts = node.expressions.map((one) => (isNode(one) ? textOf(one, constants) : undefined));
  if (parts.includes(undefined)) return undefined;
  return node.quasis.map((quasi, at) => quasi.value.cooked + (parts[at] ?? '')).join('');
}

const same = (one: { file: string; pattern: string }) => (other: { file: string; pattern: string }) =>
  one.file === other.file && one.pattern === other.pattern;

const found = [...sources('src'), ...sources('gateways')].flatMap(patternsOf);

/** The automaton is exact and its answer does not depend on the time. The slowest one takes 3 s on a slow machine. */
const EXACT = {
  checker: 'automaton',
  timeout: 60_000,
  maxRepeatCount: 2_000,
  maxNFASize: 100_000,
  maxPatternSize: 20_000,
} as const;
const AT_ONCE = 2;

async function verdictOn(pattern: string): Promise<string | undefined> {
  const at = pattern.lastIndexOf('/');
  const parts = [pattern.slice(1, at), pattern.slice(at + 1)] as const;
  let answer = await check(...parts, EXACT);
  // Assertions and back references are beyond the automaton; then recheck tries strings.
  if (answer.status === 'unknown' && answer.error.kind === 'unsupported') answer = await check(...parts);
  if (answer.status === 'vulnerable') return `${answer.complexity.summary}, as with ${answer.attack.pattern}`;
  return answer.status === 'unknown' ? `no answer: ${answer.error.kind}` : undefined;
}

/** What recheck says of each pattern that it cannot clear. */
async function notCleared(patterns: readonly string[]): Promise<Map<string, string>> {
  const queue = [...patterns];
  const verdicts = new Map<string, string>();
  const work = async () => {
    for (let pattern = queue.pop(); pattern !== undefined; pattern = queue.pop()) {
      const verdict = await verdictOn(pattern);
      if (verdict !== undefined) verdicts.set(pattern, verdict);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return verdicts;
}

test('every regular expression is linear, or its input is bounded', { timeout: 300_000 }, async () => {
  const undecided = EXCEPTIONS.filter((one) => one.undecided);
  const asked = found.filter((one) => one.regex && !undecided.some(same(one)));
  const written = ({ regex }: Found) => `/${regex?.source}/${regex?.flags}`;
  const verdicts = await notCleared([...new Set(asked.map(written))]);
  const guilty = asked.filter((one) => verdicts.has(written(one)));
  const unlisted = guilty.filter((one) => !EXCEPTIONS.some(same(one)));
  expect(unlisted.map((one) => `${one.file}: ${one.pattern}: ${verdicts.get(written(one))}`)).toEqual([]);
  const stale = EXCEPTIONS.filter((one) => !(one.undecided ? found : guilty).some(same(one)));
  expect(stale.map(({ file, pattern }) => `${file}: ${pattern} needs no exception any more`)).toEqual([]);
});

test('a pattern that is made at run time is listed', () => {
  const made = found.filter(({ regex }) => regex === undefined);
  const unlisted = made.filter((one) => !MADE.some(same(one)));
  expect(unlisted.map(({ file, pattern }) => `${file}: ${pattern}`)).toEqual([]);
  const stale = MADE.filter((one) => !made.some(same(one)));
  expect(stale.map(({ file, pattern }) => `${file}: ${pattern} is not there any more`)).toEqual([]);
});

test('every exception has a bound and a reason', () => {
  for (const { bound, why } of EXCEPTIONS) expect([bound > 0, why.length > 10]).toEqual([true, true]);
});
