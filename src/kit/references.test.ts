import { describe, expect, test } from 'vitest';
import { idsOf, trimReferences, trimReferencesHeader } from './references.js';

const ids = (count: number, size = 20) => Array.from({ length: count }, (_, i) => String(i).padStart(size, 'r'));
const header = (all: readonly string[]) => all.map((id) => `<${id}>`).join(' ');

describe('ids in a header value', () => {
  test.each([
    ['<a@x> <b@x>', ['a@x', 'b@x']],
    ['<a\r\n @x>', ['a@x']],
    ['junk <a@x> <broken (comment) <own@x>', ['a@x', 'own@x']],
    ['a@x', []],
  ])('%j holds %j', (value, expected) => expect(idsOf(value)).toEqual(expected));
});

describe('the references of an answer', () => {
  test('few ids stay as they are, the answered id comes last', () => {
    expect(trimReferences(['a@x', 'b@x'], 'c@x')).toEqual(['a@x', 'b@x', 'c@x']);
    expect(trimReferences([], 'c@x')).toEqual(['c@x']);
  });

  test('a repeated id and the answered id itself are listed once', () => {
    expect(trimReferences(['a@x', 'c@x', 'a@x'], 'c@x')).toEqual(['a@x', 'c@x']);
  });

  test('of many ids the first and the last ten stay', () => {
    const all = ids(40);
    expect(trimReferences(all.slice(0, -1), all.at(-1) ?? '')).toEqual([all[0], ...all.slice(-10)]);
  });

  test('long ids are cut to 900 characters, the answered id stays last', () => {
    const all = ids(40, 148);
    const trimmed = trimReferences(all.slice(0, -1), all.at(-1) ?? '');
    expect(header(trimmed).length).toBeLessThanOrEqual(900);
    expect(trimmed).toEqual([all[0], ...all.slice(-4)]);
  });

  test('an answered id that does not fit into one line gives no references', () => {
    expect(trimReferences(['a@x'], 'x'.repeat(899))).toEqual([]);
  });
});

describe('a whole References value', () => {
  test('folded lines and broken ids are mended', () => {
    expect(trimReferencesHeader('<a@x>\r\n\t<b@x>  <c@x>')).toBe('<a@x> <b@x> <c@x>');
    expect(trimReferencesHeader('junk <a@x> <broken (comment) <own@x>')).toBe('<a@x> <own@x>');
    expect(trimReferencesHeader('')).toBe('');
  });

  test('of megabytes only the end is read', () => {
    const all = ids(100_000);
    expect(trimReferencesHeader(header(all))).toBe(header(all.slice(-10)));
  });
});
