// Every driver is listed, documented and tested against the rules of the driver contract.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deviceWords, drivers } from '../../gateways/index.js';

const root = join(import.meta.dirname, '..', '..', 'gateways');
const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);
const list = readFileSync(join(root, 'index.ts'), 'utf8');

describe.each(folders)('gateways/%s', (folder) => {
  it('has one line in gateways/index.ts', () => {
    expect(list.match(new RegExp(`'\\./${folder}/driver\\.js'`, 'g'))).toHaveLength(1);
  });

  it('has a conformance.test.ts', () => {
    const path = join(root, folder, 'conformance.test.ts');
    expect(existsSync(path)).toBe(true);
    expect(readFileSync(path, 'utf8')).toMatch(/^\s*conform(Text|Fax)?\(/m);
  });

  it('has a README.md with a place for its settings', () => {
    const text = readFileSync(join(root, folder, 'README.md'), 'utf8');
    expect(text).toMatch(/<!-- settings -->[\s\S]*<!-- \/settings -->/);
  });
});

describe('the list of drivers', () => {
  it.each(deviceWords)('loads %s under its own word', async (word) => {
    const driver = await drivers[word.toLowerCase()]?.();
    expect(driver?.device).toBe(word);
  });

  it('names as many as there are folders', () => {
    expect(deviceWords).toHaveLength(folders.length);
    expect(Object.keys(drivers)).toHaveLength(deviceWords.length);
  });
});

describe('the rules of the driver contract', () => {
  const read = (...path: string[]) => readFileSync(join(import.meta.dirname, '..', '..', ...path), 'utf8');

  it('are the rules that the suite has cases for', () => {
    const rules = [...read('src', 'driver', 'contract.ts').matchAll(/^\/\/ (\d)\. /gm)].map(([, number]) => number);
    const files = ['common-cases.ts', 'inbound-cases.ts', 'outbound-cases.ts'];
    const cases = files.flatMap((file) =>
      [...read('test', 'conformance', file).matchAll(/it\(['`]rule (\d): /g)].map(([, number]) => number),
    );
    expect([...new Set(cases)].sort()).toEqual(rules);
  });

  it('rule 6: no driver has state at module level', () => {
    const sources = folders.flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
        .map((name) => join(root, folder, name)),
    );
    const state =
      /^(?:export )?(?:let |var |const \w+(?::[^=]+)? = (?:new (?:Map|Set|WeakMap|LRUCache)(?:<[^(]*>)?\(\)|\[\];|boundedMap))/m;
    expect(sources.filter((path) => state.test(readFileSync(path, 'utf8')))).toEqual([]);
  });
});
