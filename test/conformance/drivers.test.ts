// Every driver is listed, documented and held to the laws.
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

  it('is held to the laws of drivers by a conformance.test.ts', () => {
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
