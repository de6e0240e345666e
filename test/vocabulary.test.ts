// Keeps retired words out of the code; docs/glossary.md says which words stand in their place.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Words that no identifier may contain, with what to write instead. */
const RETIRED: Readonly<Record<string, string>> = {
  arrival: 'inboundMessage',
  order: 'outboundMessage or sendRequest',
  news: 'deliveryReceipt',
  kept: 'stored, retained',
  hush: 'unsubscribe',
  doubt: 'unknownOutcome, suspect',
  parcel: 'composedMail, composedText, composedFax',
  hear: 'receive',
  heard: 'received',
  overtaken: 'queueTimeout',
  orphaned: 'abandoned',
  elsewhere: 'otherDirection',
  park: 'backOff',
  breathe: 'yieldToEventLoop',
  unsound: 'invalidContent',
  story: 'trace',
  ledger: 'reconciliation',
  postpone: 'defer',
  postponed: 'deferred',
  begun: 'attemptStarted, sending',
  carve: 'extract',
  glance: 'summary',
};

/** Identifiers and sentences that may contain a retired word: the files, a pattern of the whole identifier or text, the reason. */
const ALLOWED: readonly (readonly [where: RegExp, what: RegExp, why: string])[] = [
  [/./, /^orderBy$/, 'kysely: the order of rows'],
  [/./, /^orderDays$/, "a key of operators' configuration files"],
  [/^src\/content\/mail\/parse\/charset\.ts$/, /^byteOrderMark$/, 'the term of Unicode'],
  [/^src\/(content\/notice|pipeline\/inbound\/spool-codec\.test)\.ts$/, /^orderId$/, 'stored key of a notice'],
  [/^src\/driver\/shared\/status-poller/, /^order$/, 'stored key of a record of version 0.1'],
  [
    /^gateways\/hylafax\/(job-store|send-once\.test)\.ts$/,
    /^(order|BEGUN|begun)$/,
    'stored key and stored kind of a job record',
  ],
  [/^gateways\/twilio\/send\.test\.ts$/, /^order$/, 'stored key of a record of version 0.1'],
  [/^gateways\/imap\/suspects\.ts$/, /^doubts\b|`doubts`/, 'stored name of a checkpoint and of its member'],
  [/^src\/journal\/upgrade\.test\.ts$/, /^order$|postponed/, 'a journal of the old version'],
  [/^src\/journal\/open\.test\.ts$/, /^insert into (arrivals|ledger) /, 'a journal of the old version'],
  [
    /^test\/bench\/(new-mail|parts)\.ts$/,
    /^arrivals\b/,
    'part name of the benchmark; figures of older runs are compared by it',
  ],
  [
    /^src\/http\/metrics\.test\.ts$/,
    /^gatepost_order_limit_seconds$/,
    'metric name of the previous release, still served',
  ],
  [/^test\/bench\/languages\.ts$/, /\bparcel\b/, "a word of a customer's mail"],
];

const isAllowed = (file: string, text: string) =>
  ALLOWED.some(([where, what]) => where.test(file) && what.test(text.trim()));

/** Words that stand nowhere, not even in a comment or a sentence. */
const NOWHERE = /\b(?:arrivals?|news|kept|hush|doubts?|parcels?|postponed?|ledger)\b/i;

/** Files that have to name the old words. */
const OLD_WORDS: Readonly<Record<string, string>> = {
  'src/journal/db/migrations/': 'a migration renames the old tables',
  'src/commands/log.ts': 'aliases of the events',
  'src/commands/log.test.ts': 'aliases of the events',
  'test/vocabulary.test.ts': 'this list',
};

interface Source {
  readonly file: string;
  readonly identifiers: ReadonlySet<string>;
  /** Comments and strings, with their lines. */
  readonly prose: readonly { readonly line: number; readonly text: string }[];
}

function read(file: string): Source {
  const text = readFileSync(`${root}/${file}`, 'utf8');
  const { program, comments } = parseSync(file, text);
  const identifiers = new Set<string>();
  const prose = comments.map(({ start, value }) => ({ line: lineOf(text, start), text: value }));
  walk(program, (node) => {
    if (node.type === 'Identifier' || node.type === 'PrivateIdentifier') identifiers.add(String(node.name));
    else if (node.type === 'Literal' && typeof node.value === 'string') {
      prose.push({ line: lineOf(text, Number(node.start)), text: node.value });
    } else if (node.type === 'TemplateElement') {
      const { raw } = node.value as { raw: string };
      prose.push({ line: lineOf(text, Number(node.start)), text: raw });
    }
  });
  return { file, identifiers, prose };
}

type Node = Record<string, unknown> & { type: string };

function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) for (const item of value) walk(item, visit);
  else if (typeof value === 'object' && value !== null) {
    if ('type' in value && typeof value.type === 'string') visit(value as Node);
    for (const member of Object.values(value)) walk(member, visit);
  }
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}

/** `inFlight` is in, flight; `SMSCLink` is smsc, link; a plural counts as its singular. */
function wordsOf(identifier: string): string[] {
  const spaced = identifier.replace(/([a-z\d])([A-Z])/g, '$1 $2').replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2');
  return spaced
    .toLowerCase()
    .split(/[^a-z]+/)
    .flatMap((word) => [word, word.replace(/ies$/, 'y').replace(/s$/, '')]);
}

const mayUseOldWords = (file: string) => Object.keys(OLD_WORDS).some((prefix) => file.startsWith(prefix));

function filesIn(folder: string, ending: string): string[] {
  return readdirSync(`${root}/${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ending))
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`);
}

const sources = ['src', 'gateways', 'test'].flatMap((folder) => filesIn(folder, '.ts')).map(read);
const PAGES = ['README.md', 'config/README.md', 'docs/architecture.md', ...filesIn('gateways', 'README.md')];

describe('retired words', () => {
  it('finds the sources', () => expect(sources.length).toBeGreaterThan(300));

  it('an exception that no longer applies is removed', () => {
    const unused = ALLOWED.filter(
      ([where, what]) =>
        !sources.some(
          ({ file, identifiers, prose }) =>
            where.test(file) &&
            [...identifiers, ...prose.map(({ text }) => text.trim())].some((text) => what.test(text)),
        ),
    );
    expect(unused.map(([where, what]) => `${where} ${what}`)).toEqual([]);
  });

  it('stand in no identifier', () => {
    const found = sources
      .filter(({ file }) => !mayUseOldWords(file))
      .flatMap(({ file, identifiers }) =>
        [...identifiers]
          .filter((identifier) => !isAllowed(file, identifier))
          .flatMap((identifier) => {
            const word = wordsOf(identifier).find((candidate) => Object.hasOwn(RETIRED, candidate));
            return word === undefined ? [] : [`${file}: ${identifier} (write ${RETIRED[word]})`];
          }),
      );
    expect(found).toEqual([]);
  });

  it('stand in no comment, no sentence and no file name', () => {
    const found = sources
      .filter(({ file }) => !mayUseOldWords(file))
      .flatMap(({ file, prose }) => [
        ...prose
          .filter(({ text }) => NOWHERE.test(text) && !isAllowed(file, text))
          .map(({ line, text }) => `${file}:${line}: ${text.trim().slice(0, 100)}`),
        ...(NOWHERE.test(file.replace(/[/.-]/g, ' ')) ? [`${file}: the file name`] : []),
      ]);
    expect(found).toEqual([]);
  });

  it('stand in no page', () => {
    const found = PAGES.flatMap((page) =>
      readFileSync(`${root}/${page}`, 'utf8')
        .split('\n')
        .flatMap((line, at) => (NOWHERE.test(line) ? [`${page}:${at + 1}: ${line.slice(0, 100)}`] : [])),
    );
    expect(found).toEqual([]);
  });
});
