// What the templates of rules promise.
import { describe, expect, it } from 'vitest';
import { fullBudget, lineOf, match, parseTemplate } from './template.js';

function found(written: string, line: string): Record<string, string> | null {
  const parsed = parseTemplate(written);
  if (!parsed.ok) throw new Error(parsed.problem);
  const values = match(parsed.template, lineOf(line), fullBudget());
  return values && Object.fromEntries(values);
}

describe('a template', () => {
  it('gives the values of its placeholders, wherever in the line it begins', () => {
    expect(found('fax from {from} on {*}', 'FW: Fax from +420 777 123 456 on Sunday')).toEqual({
      from: '+420 777 123 456',
    });
    expect(found('{pages} pages from {station}', '12 pages from  ACME   Ltd.')).toEqual({
      pages: '12',
      station: 'ACME Ltd.',
    });
  });

  it('ignores capital letters and the number of blanks', () => {
    expect(found('Signal Rate: {Speed}', '   signal  RATE:  14400 bit/s ')).toEqual({ Speed: '14400 bit/s' });
  });

  it('ends a number where the text behind it begins', () => {
    expect(found('Fax from {from}', 'Fax from (469) 555-0100 received today')).toEqual({ from: '(469) 555-0100' });
  });

  it('goes on after a match that cannot be a number', () => {
    expect(found('Fax von {name} ({from})', 'Fax von Muster (privat) (03012345)')).toEqual({
      name: 'Muster (privat)',
      from: '03012345',
    });
    expect(found('Fax von {from}', 'Fax von Max Muster')).toBeNull();
  });

  it('matches without the values that the provider does not know', () => {
    for (const absent of ['unknown', 'UNAVAILABLE', '<NONE>', '""', 'Anonymous'])
      expect(found('by {station} - {pages} page', `by ${absent} - 2 pages`)).toEqual({ pages: '2' });
  });

  it('takes quotes off a whole value', () => {
    expect(found('from: {name} <{from}>', 'New fax from: "Anna Nová" <030123>')).toEqual({
      name: 'Anna Nová',
      from: '030123',
    });
  });

  it.each([
    ['no placeholder', 'holds no placeholder'],
    ['{from}', 'holds no text'],
    ['Fax {frm}', 'holds {frm}; there are {from}'],
    ['Fax {from}{to}', 'nothing in between'],
    ['Fax {*}', 'holds no placeholder'],
  ])('%s is refused with a sentence', (written, sentence) => {
    expect(parseTemplate(written)).toEqual({ ok: false, problem: expect.stringContaining(sentence) });
  });

  it('takes no time with any line', () => {
    const template = 'aa{name}aa{station}aa{id}aa{problem}aa{from}!';
    const line = 'a'.repeat(1_000);
    const before = process.cpuUsage();
    for (let round = 0; round < 20; round++) expect(found(template, line)).toBeNull();
    // A line that fits nearly everywhere; without a bound on the places tried, one alone takes minutes.
    expect(process.cpuUsage(before).user).toBeLessThan(2_000_000);
  });
});
