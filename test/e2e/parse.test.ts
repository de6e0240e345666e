// `gatepost parse` as a script calls it: the compiled command line in a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const cli = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'gatepost-parse-'));
afterAll(() => rmSync(folder, { recursive: true }));

const mail = (subject: string, rest = '\r\nWhere is it?\r\n') =>
  `From: Ann <ann@example.com>\r\nTo: support@example.com\r\nMessage-ID: <${subject.length}@example.com>\r\nSubject: ${subject}\r\n${rest}`;

interface Run {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
}

async function gatepost(args: readonly string[], input = '', node: readonly string[] = []): Promise<Run> {
  const child = spawn(process.execPath, [...node, cli, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { out, err, code };
}

const linesOf = ({ out }: Run): Record<string, string>[] =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Prints every module that is loaded to standard error: ES modules through a hook, CommonJS modules from its cache. */
const watchModules = [
  '--import',
  `data:text/javascript,${encodeURIComponent(`
    import { createRequire, register } from 'node:module';
    const hook = "import { writeSync } from 'node:fs'; export async function load(url, context, next) { writeSync(2, 'loaded ' + url + '\\\\n'); return next(url, context); }";
    register('data:text/javascript,' + encodeURIComponent(hook));
    const { cache } = createRequire('file:///');
    process.on('exit', () => { for (const name of Object.keys(cache)) process._rawDebug('loaded ' + name); });`)}`,
];

/** Packages and folders of ours among the loaded modules. */
function loadedBy({ err }: Run): Set<string> {
  const names = [...err.matchAll(/^loaded (.*)$/gm)].map(([, url = '']) => url);
  return new Set(
    names.flatMap((url) => {
      const library = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
      if (library !== undefined) return [library];
      return /\/dist\/((?:src|gateways)\/[\w-]+(?:\/(?:fax|sms))?)/.exec(url)?.[1] ?? [];
    }),
  );
}

describe('what `gatepost parse` loads', () => {
  it('is next to nothing for a small plain mail', async () => {
    const run = await gatepost(['parse'], mail('Hello'), watchModules);
    expect(JSON.parse(run.out)).toMatchObject({ SubjectField: 'Hello', BodyText: 'Where is it?' });
    const loaded = loadedBy(run);
    expect([...loaded].filter((name) => !/^(?:src|gateways)\//.test(name)).sort()).toEqual([
      'commander',
      'iconv-lite',
      'safer-buffer',
    ]);
    expect([...loaded].filter((name) => /^(?:src|gateways)\//.test(name)).sort()).toEqual([
      'src/cli',
      'src/commands',
      'src/content',
      'src/kit',
      'src/model',
    ]);
  });

  it.each([
    ['an encoded subject', mail('=?utf-8?Q?P=C5=99=C3=ADklad?='), 'Příklad', ['mailparser', 'sanitize-html']],
    [
      'HTML',
      mail('Hi', 'Content-Type: text/html\r\n\r\n<p>Where <b>is</b> it?</p>\r\n'),
      'Hi',
      ['mailparser', 'piscina', 'zod', 'libphonenumber-js'],
    ],
    [
      'flowed text',
      mail('Hi', 'Content-Type: text/plain; format=flowed\r\n\r\nWhere is \r\nit?\r\n'),
      'Hi',
      ['sanitize-html', 'piscina', 'zod'],
    ],
  ])('is without what %s does not need', async (_what, text, subject, unneeded) => {
    const run = await gatepost(['parse'], text, watchModules);
    expect(JSON.parse(run.out)).toMatchObject({ SubjectField: subject, BodyText: 'Where is it?' });
    const loaded = loadedBy(run);
    expect(unneeded.filter((name) => loaded.has(name))).toEqual([]);
  });
});

describe('`gatepost parse` of files', () => {
  it('prints for one file what it prints for standard input', async () => {
    const path = file('one.eml', mail('One'));
    const [named, piped] = [await gatepost(['parse', path]), await gatepost(['parse'], mail('One'))];
    const same = (text: string) => text.replace(/"(?:ReceivedSentTime|RequestId)": "[^"]*"/g, '"…"');
    expect(same(named.out)).toBe(same(piped.out));
    expect(named.out.split('\n').length).toBeGreaterThan(10);
    expect([named.code, named.err]).toEqual([0, '']);
  });

  it('prints one line of JSON for each of several files, also for large and damaged ones', async () => {
    const large = mail('Large', `\r\n${'word '.repeat(100_000)}\r\n`);
    const paths = [file('a.eml', mail('A')), file('empty.eml', ''), file('large.eml', large), file('b.eml', mail('B'))];
    const run = await gatepost(['parse', ...paths]);
    const lines = linesOf(run);
    expect(lines.map(({ File }) => File)).toEqual(paths);
    expect(lines.map(({ SubjectField }) => SubjectField)).toEqual(['A', '', 'Large', 'B']);
    expect(lines[2]?.BodyText?.length).toBeGreaterThan(400_000);
    expect([run.code, run.err]).toEqual([0, '']);
  });

  it('reads a folder with the folders in it, in the order of the names', async () => {
    const box = join(folder, 'box');
    mkdirSync(join(box, 'new'), { recursive: true });
    for (const name of ['z.eml', 'a.eml', '.hidden', 'new/m.eml']) writeFileSync(join(box, name), mail(name));
    const run = await gatepost(['parse', box]);
    expect(linesOf(run).map(({ File }) => File)).toEqual(
      ['a.eml', 'new/m.eml', 'z.eml'].map((name) => join(box, name)),
    );
    expect(run.code).toBe(0);
  });

  it('tells each file that cannot be read in its line, reads the others, and ends with code 1', async () => {
    const box = join(folder, 'damaged');
    mkdirSync(box);
    symlinkSync('nowhere', join(box, 'broken'));
    symlinkSync('.', join(box, 'circle'));
    writeFileSync(join(box, 'good.eml'), mail('Good'));
    const missing = join(folder, 'missing.eml');
    const run = await gatepost(['parse', missing, box]);
    expect(linesOf(run)).toEqual([
      { File: missing, Error: expect.stringMatching(/cannot read .*missing\.eml: ENOENT/) },
      { File: join(box, 'broken'), Error: expect.stringContaining('ENOENT') },
      expect.objectContaining({ File: join(box, 'good.eml'), SubjectField: 'Good' }),
    ]);
    expect([run.code, run.err]).toEqual([1, '3 files read, 2 of them not readable\n']);
  });

  it('says of a single file what is wrong', async () => {
    const run = await gatepost(['parse', join(folder, 'nothing.eml')]);
    expect([run.code, run.out]).toEqual([1, '']);
    expect(run.err).toMatch(
      /cannot read .*nothing\.eml: ENOENT[^\n]*\n {2}→ give the path of a file that can be read\n/,
    );
  });

  it('writes the attachments of several files into one folder each', async () => {
    const attached = (name: string) =>
      mail(name, `Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=x.pdf\r\n\r\n${name}`);
    const paths = [file('p.eml', attached('first')), file('q.eml', attached('second'))];
    const out = join(folder, 'out');
    expect((await gatepost(['parse', '--attachments', out, ...paths])).code).toBe(0);
    expect(readdirSync(out).sort()).toEqual(['1-p.eml', '2-q.eml']);
    expect(readFileSync(join(out, '2-q.eml', '1-x.pdf'), 'utf8')).toBe('second');
  });

  it('shows its progress on a terminal, and nothing of it elsewhere', async () => {
    const { parseCommand } = await import('../../src/commands/parse.js');
    const paths = [file('s.eml', mail('S')), file('t.eml', mail('T'))];
    const [shown, said]: [string[], string[]] = [[], []];
    let now = 0;
    const clock = { ...(await import('../../src/kit/clock.js')).systemClock, now: () => (now += 1_000) };
    const output = { out: () => {}, say: (text: string) => void said.push(text) };
    const progress = (line: string) => void shown.push(line);
    const options = { gateway: '00000000-0000-0000-0000-000000000000' };
    await parseCommand(paths, options, clock, { ...output, isTerminal: false, progress });
    expect(shown).toEqual([`1 file read: ${paths[0]}`, `2 files read: ${paths[1]}`, '']);
    expect(said).toEqual(['2 files read\n']);
    await parseCommand(paths, options, clock, { ...output, isTerminal: true, progress });
    await parseCommand(paths, options, clock, { ...output, isTerminal: false });
    expect([shown.length, said.length]).toEqual([3, 1]);
  });
});
