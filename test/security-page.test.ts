// The page for administrators names tests and settings: each must be there, and the page must be found.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config.js';

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const page = read('docs/security.md');
const quoted = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text);
const tests = [...new Set(quoted.filter((text) => text.endsWith('.test.ts')))];
const sections = Object.keys(loadConfig(null, {}));
const settings = [...new Set(quoted.map((text) => text.replace(/: .*$/, '')).filter(isSetting))];

function isSetting(text: string): boolean {
  const [section = ''] = text.split('.');
  return /^[a-zA-Z]+(?:\.[a-zA-Z]+)?$/.test(text) && sections.includes(section);
}

describe('docs/security.md', () => {
  it('names many tests and settings', () => {
    expect(tests.length).toBeGreaterThan(25);
    expect(settings.length).toBeGreaterThan(15);
  });

  it.each(tests)('names the test %s, which exists', (path) => {
    expect(existsSync(join(root, path))).toBe(true);
  });

  it.each(settings)('names the setting %s, which exists', (name) => {
    expect(read('config/README.md')).toContain(`\`${name}\``);
  });

  it.each([...page.matchAll(/\]\(([^)#]+)\)/g)].map(([, link = '']) => link))('links to %s, which exists', (link) => {
    expect(existsSync(join(root, 'docs', link))).toBe(true);
  });

  it('is linked from the README', () => {
    expect(read('README.md')).toContain('(docs/security.md)');
  });
});
