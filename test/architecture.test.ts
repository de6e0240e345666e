// The rules of the architecture: the import table, no circles, time and randomness from one file only.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

function sources(folder: string): string[] {
  return readdirSync(join(root, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(root, path)).isDirectory()) return sources(path);
    return path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.endsWith('.d.ts') ? [path] : [];
  });
}

const IMPORT = /(?:from\s+|import\(\s*|import\s+)'(\.[^']+)'/g;

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(IMPORT)].map(([, target = '']) =>
    relative(root, resolve(dirname(join(root, file)), target)).replace(/\.js$/, '.ts'),
  );
}

/** Without import(): a lazy import is there to break a circle at run time. */
function staticImportsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s+'(\.[^']+)'/g)].map(([, target = '']) =>
    relative(root, resolve(dirname(join(root, file)), target)).replace(/\.js$/, '.ts'),
  );
}

/** The files of each circle, as one line; depth-first, each file once. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const path: string[] = [];
  const found: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file].join(' -> '));
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    for (const target of graph.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

const files = [...sources('src'), ...sources('gateways')];
const room = (file: string) =>
  /^src\/([\w-]+)\//.exec(file)?.[1] ? `src/${/^src\/([\w-]+)\//.exec(file)?.[1]}` : file;

/** Folder -> folders it may import besides its own. */
const TABLE: Record<string, string[]> = {
  'src/model': [],
  'src/kit': ['src/model'],
  'src/simprot': ['src/kit', 'src/model'],
  'src/content': ['src/kit', 'src/model'],
  'src/journal': ['src/kit', 'src/model'],
  'src/driver': ['src/kit', 'src/model'],
  'src/pipeline': ['src/kit', 'src/model', 'src/simprot', 'src/content', 'src/journal', 'src/driver'],
  'src/http': ['src/kit', 'src/model', 'src/journal', 'src/driver'],
  'src/embedded-server': ['src/kit', 'src/model', 'src/simprot'],
};

describe('who may import what', () => {
  it('finds the sources', () => expect(files.length).toBeGreaterThan(50));

  for (const [name, allowed] of Object.entries(TABLE)) {
    it(`${name} imports ${allowed.join(', ') || 'nothing of ours'}`, () => {
      const wrong = files
        .filter((file) => file.startsWith(`${name}/`))
        .flatMap((file) => importsOf(file).map((target) => ({ file, target })))
        .filter(({ target }) => room(target) !== name && !allowed.includes(room(target)));
      expect(wrong).toEqual([]);
    });
  }

  it('a gateway imports the driver contract and its own folder, nothing else of ours', () => {
    const wrong = files
      .filter((file) => /^gateways\/[\w-]+\//.test(file))
      .flatMap((file) => importsOf(file).map((target) => ({ file, target })))
      .filter(
        ({ file, target }) =>
          !target.startsWith(`${dirname(file).split('/').slice(0, 2).join('/')}/`) && !target.startsWith('src/driver/'),
      );
    expect(wrong).toEqual([]);
  });

  it('only the command line imports gateways/', () => {
    const wrong = files
      .filter((file) => file.startsWith('src/') && file !== 'src/cli.ts' && file !== 'src/service.ts')
      .flatMap((file) => importsOf(file).map((target) => ({ file, target })))
      .filter(({ target }) => target.startsWith('gateways/'));
    expect(wrong).toEqual([]);
  });

  it('no file imports itself in a circle, not even for a type', () => {
    const graph = new Map(
      files.map((file) => [file, staticImportsOf(file).filter((target) => files.includes(target))]),
    );
    expect(circles(graph)).toEqual([]);
  });

  it('gateways/index.ts has one line per driver folder, and loads it lazily', () => {
    const text = readFileSync(join(root, 'gateways/index.ts'), 'utf8');
    const folders = readdirSync(join(root, 'gateways'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const { name } of folders) expect(text.match(new RegExp(`import\\('\\./${name}/`, 'g'))?.length, name).toBe(1);
  });
});

/** A function longer than this is read in two screens; nested functions count in. */
const LONGEST_FUNCTION = 60;
const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

describe('functions are short', () => {
  it(`none has more than ${LONGEST_FUNCTION} lines`, () => {
    const long = files.flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      const found: string[] = [];
      visit(parseSync(file, text).program, ({ type, start, end }) => {
        if (!FUNCTIONS.has(type)) return;
        const lines = text.slice(start, end).split('\n').length;
        if (lines > LONGEST_FUNCTION) found.push(`${file}:${text.slice(0, start).split('\n').length}: ${lines} lines`);
      });
      return found;
    });
    expect(long).toEqual([]);
  });
});

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

function visit(value: unknown, each: (node: SyntaxNode) => void): void {
  if (Array.isArray(value)) for (const item of value) visit(item, each);
  else if (typeof value === 'object' && value !== null) {
    if ('type' in value && typeof value.type === 'string') each(value as SyntaxNode);
    for (const member of Object.values(value)) visit(member, each);
  }
}

describe('time and chance are arguments', () => {
  const CLOCK =
    /\b(?:Date\.now\(|new Date\(\)|Math\.random\(|performance\.now\(|setInterval\(|setTimeout\(|AbortSignal\.timeout\()/;

  it('only kit/clock.ts reads the clock, arms a timer or rolls dice', () => {
    const wrong = files
      .filter((file) => file !== 'src/kit/clock.ts')
      .flatMap((file) =>
        readFileSync(join(root, file), 'utf8')
          .split('\n')
          .flatMap((line, index) =>
            CLOCK.test(line) && !/^\s*(?:\/\/|\*|\/\*)/.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [],
          ),
      );
    expect(wrong).toEqual([]);
  });
});

describe('the lock file', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string }>;
  };

  it('has an entry for every optional package, so that npm ci works on other systems', () => {
    const names = Object.keys(lock.packages);
    const missing = Object.values(lock.packages)
      .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
      .filter((name) => !names.some((path) => path.endsWith(`node_modules/${name}`)));
    expect(missing).toEqual([]);
  });

  it('names no registry host', () => {
    expect(Object.values(lock.packages).filter((entry) => entry.resolved)).toEqual([]);
  });
});

describe('secrets stay out of repository and image', () => {
  const text = (file: string) => readFileSync(join(root, file), 'utf8');

  it('config/secrets is ignored by git and docker, and the image copies samples by name', () => {
    expect(text('.gitignore')).toMatch(/^\/?config\/secrets\/?$/m);
    expect(text('.dockerignore')).toMatch(/^config\/secrets\/?$/m);
    expect(text('Dockerfile')).not.toMatch(/^COPY config \.?\/?config/m);
    expect(text('Dockerfile')).toMatch(/^USER (?!root)/m);
  });

  it('the base image is named exactly', () => {
    expect(text('Dockerfile')).toMatch(/^ARG BASE=node(?::\d+\.\d+\.\d+|@sha256:)/m);
  });

  it.each(['MemoryMax=', 'NoNewPrivileges=true', 'ProtectSystem=strict', 'LimitCORE=0', 'UMask=0077'])(
    'the systemd unit says %s',
    (line) => expect(text('config/systemd/gatepost.service')).toMatch(new RegExp(`^${line}`, 'm')),
  );
});
