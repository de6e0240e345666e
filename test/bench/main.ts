// Runs the parts one after the other, all sides of a part in interleaved rounds, and prints the table at the end. Ends
// with 0 whatever the figures are: this measures, it does not test.
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { whyNoDovecot } from '../servers/dovecot.js';
import { startBenchFixture } from './bench-fixture.js';
import { description, load } from './machine.js';
import { PARTS } from './parts.js';
import { createProgress } from './progress.js';
import type { Part } from './rounds.js';
import { type Row, table } from './table.js';

const HELP = `npm run bench -- [options]
  --only NAMES     of ${PARTS.map(({ name }) => name).join(',')}
  --rounds N       rounds of every part (3); the figures are medians
  --count N        mails, send requests or texts per run, in place of each part's own number
  --full           2,000 mails of mixed sizes in place of 500
  --profile DIR    writes a CPU profile of each of our processes; slows them down
  --markdown       the table as Markdown
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    count: { type: 'string' },
    full: { type: 'boolean', default: false },
    profile: { type: 'string' },
    markdown: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const problem = wrongOption();
if (values.help) process.stdout.write(HELP);
else if (problem) process.stdout.write(`${problem}\n\n${HELP}`);
else await bench();

function wrongOption(): string | undefined {
  const unknown = values.only?.split(',').find((name) => !PARTS.some((part) => part.name === name));
  if (unknown !== undefined) return `--only: there is no part "${unknown}"`;
  for (const name of ['rounds', 'count'] as const)
    if (!/^[1-9]\d*$/.test(values[name] ?? '1')) return `--${name}: "${values[name]}" is not a whole number from 1`;
  return undefined;
}

async function bench(): Promise<void> {
  const missing = whyNoDovecot();
  if (missing) return void process.stdout.write(`nothing was measured: ${missing}\n`);
  const wanted = values.only?.split(',');
  const parts = PARTS.filter(({ name }) => !wanted || wanted.includes(name));
  const profiles = values.profile === undefined ? undefined : resolve(values.profile);
  if (profiles) mkdirSync(profiles, { recursive: true });
  const loadBefore = load();
  const progress = createProgress(process.stderr);
  const fixture = await startBenchFixture(profiles);
  process.once('SIGINT', () => fixture.interrupt()).once('SIGTERM', () => fixture.interrupt());
  try {
    const rows: Row[] = [];
    for (const part of parts) rows.push(...(await measured(part, fixture, progress)));
    progress.clear();
    process.stdout.write(`${table(rows, values.markdown)}\n\n`);
  } finally {
    await fixture.close();
  }
  const facts = [...(await description()), `load average ${loadBefore} before, ${load()} after`, ...progress.troubles];
  process.stdout.write(`${facts.map((fact) => (values.markdown ? `- ${fact}` : fact)).join('\n')}\n`);
}

function measured(part: Part, fixture: Parameters<Part['measure']>[0], progress: ReturnType<typeof createProgress>) {
  const count = values.count === undefined ? part.count(values.full) : Number(values.count);
  return part.measure(fixture, { count, rounds: Number(values.rounds), progress });
}
