// What is read of the address fields that senders really write.
import { describe, expect, it } from 'vitest';
import { cpuMs } from '../../../test/fixtures/html-probes.js';
import { readMailboxes } from './mailboxes.js';

const shown = (text: string) =>
  readMailboxes(text)
    .map(({ name, address }) => (name === '' ? address : `${name}|${address}`))
    .join(' + ');

describe('one mailbox is read whatever its writer left out or put in', () => {
  it.each([
    // Quotes around everything, or opened and never closed.
    ['"Jana Nova <jana@x.example>"', 'Jana Nova|jana@x.example'],
    ['"jana@x.example"', 'jana@x.example'],
    ['"<jana@x.example>"', 'jana@x.example'],
    ['"Nova, Jana <jana@x.example>', 'Nova, Jana|jana@x.example'],
    ['Jana "Nova <jana@x.example>', 'Jana Nova|jana@x.example'],
    ['"Jana \\"J\\" Nova <jana@x.example>"', 'Jana J Nova|jana@x.example'],
    // Brackets missing, doubled or half.
    ['Jana Nova jana@x.example', 'Jana Nova|jana@x.example'],
    ['"Nova, Jana" jana@x.example', 'Nova, Jana|jana@x.example'],
    ['jana@x.example Jana', 'Jana|jana@x.example'],
    ['<jana@x.example', 'jana@x.example'],
    ['jana@x.example>', 'jana@x.example'],
    ['Jana <jana@x.example', 'Jana|jana@x.example'],
    ['<<jana@x.example>>', 'jana@x.example'],
    ['Jana < <jana@x.example> >', 'Jana|jana@x.example'],
    ['Jana <Nova <jana@x.example>>', 'Jana|jana@x.example'],
    ['<Jana Nova jana@x.example>', 'jana@x.example'],
    ['<"jana@x.example">', 'jana@x.example'],
    ["'jana@x.example'", 'jana@x.example'],
    ['\u201cjana@x.example\u201d', 'jana@x.example'],
    ['[jana@x.example]', 'jana@x.example'],
    // Schemes and routes.
    ['mailto:jana@x.example', 'jana@x.example'],
    ['<mailto:jana@x.example?subject=Hi>', 'jana@x.example'],
    ['Jana [mailto:jana@x.example]', 'Jana|jana@x.example'],
    ['SMTP:jana@x.example', 'jana@x.example'],
    ['<@a.example,@b.example:jana@x.example>', 'jana@x.example'],
    ['Jana <@a.example:jana@x.example>', 'Jana|jana@x.example'],
    // Comments.
    ['Jana (private) <jana(at home)@x(the (big) company).example>', 'Jana|jana@x.example'],
    ['jana (home) @ x (work) . example', 'home work|jana@x.example'],
    ['jana@x.example (Jana (J) Nova)', 'Jana (J) Nova|jana@x.example'],
    ['jana@x.example (a "quoted) sign', 'sign|jana@x.example'],
    ['(escaped \\) bracket) <jana@x.example>', 'escaped ) bracket|jana@x.example'],
    ['(jana@x.example)', 'jana@x.example'],
    ['Jana (jana@x.example)', 'Jana|jana@x.example'],
    ['Jana (private <jana@x.example>', 'Jana private|jana@x.example'],
    // Dots, commas and blanks.
    ['jana@x.example.', 'jana@x.example'],
    ['<jana@x.example.>,', 'jana@x.example'],
    [', ;jana@x.example;;', 'jana@x.example'],
    ['jana @ x.example', 'jana@x.example'],
    ['<jana@x. example>', 'jana@x.example'],
    ['<jana@x .example>', 'jana@x.example'],
    ['Mr. jana@x.example', 'Mr.|jana@x.example'],
    ['\u00a0jana@x.example\u3000', 'jana@x.example'],
    ['\u202ajana@x.example\u202c', 'jana@x.example'],
    ['\ufeff<\u200bjana@x.example\u00ad>', 'jana@x.example'],
    ['jana\uff20x.example', 'jana@x.example'],
    // Addresses beyond ASCII, quoted local parts, literals.
    ['Žofie <žofie@bücher.example>', 'Žofie|žofie@bücher.example'],
    ['почта@пример.example', 'почта@пример.example'],
    ['"jana nova"@x.example', '"jana nova"@x.example'],
    ['"jana"@x.example', 'jana@x.example'],
    ['<"a@b"@x.example>', '"a@b"@x.example'],
    ['jana@[192.0.2.1]', 'jana@[192.0.2.1]'],
    ['Jana <jana@[IPv6:2001:db8::1]>', 'Jana|jana@[IPv6:2001:db8::1]'],
    ["o'neil@x.example", "o'neil@x.example"],
  ])('%j is %j', (text, expected) => expect(shown(text)).toBe(expected));

  it.each([
    ['"boss@victim.example" <evil@x.example>', 'evil@x.example'],
    ['boss@victim.example <evil@x.example>', 'evil@x.example'],
    ['"Boss <boss@victim.example>" <evil@x.example>', 'evil@x.example'],
    ['(boss@victim.example) <evil@x.example>', 'evil@x.example'],
    ['"boss@victim.example" evil@x.example', 'evil@x.example'],
    ['"boss@victim.example, " <evil@x.example>', 'evil@x.example'],
    ['evil@x.example (boss@victim.example)', 'evil@x.example'],
    ['boss@victim.example: evil@x.example;', 'evil@x.example'],
    ['"boss@victim.example\\" <boss@victim.example>" <evil@x.example>', 'evil@x.example'],
  ])('%j is answered at the real address', (text, expected) =>
    expect(readMailboxes(text).map(({ address }) => address)).toEqual([expected]),
  );
});

describe('several mailboxes', () => {
  it.each([
    ['a@x.example; b@x.example', 'a@x.example + b@x.example'],
    ['Team: a@x.example, B <b@x.example>;, c@x.example', 'a@x.example + B|b@x.example + c@x.example'],
    ['Nova, Jana <a@x.example>, Malý, Petr <b@x.example>', 'Nova, Jana|a@x.example + Malý, Petr|b@x.example'],
    ['"Nova <a@x.example>, Malý <b@x.example>"', 'Nova|a@x.example + Malý|b@x.example'],
    ['<a@x.example, <b@x.example>', 'a@x.example + b@x.example'],
    ['A <a@x.example; B <b@x.example', 'A|a@x.example + B|b@x.example'],
    ['undisclosed-recipients:;', ''],
    ['a@x.example:', 'a@x.example'],
    ['<>', ''],
    ['', ''],
  ])('%j are %j', (text, expected) => expect(shown(text)).toBe(expected));
});

describe('encoded words', () => {
  const decode = (text: string) =>
    text.replace(/=\?b\?([^?]*)\?=/g, (_, word) => Buffer.from(word, 'base64').toString());
  const word = (text: string) => `=?b?${Buffer.from(text).toString('base64')}?=`;
  const read = (text: string) => readMailboxes(text, decode);

  it.each([
    [word('jana@x.example'), [{ name: '', address: 'jana@x.example' }]],
    [word('Nová, Jana <jana@x.example>'), [{ name: 'Nová, Jana', address: 'jana@x.example' }]],
    [`"${word('Jana <jana@x.example>')}"`, [{ name: 'Jana', address: 'jana@x.example' }]],
    [`Jana <${word('jana@x.example')}>`, [{ name: 'Jana', address: 'jana@x.example' }]],
    [`${word('Nová; Jana')} <jana@x.example>`, [{ name: 'Nová; Jana', address: 'jana@x.example' }]],
    [`${word('boss@victim.example')} <evil@x.example>`, [{ name: 'boss@victim.example', address: 'evil@x.example' }]],
  ])('%s', (text, expected) => expect(read(text)).toEqual(expected));
});

describe('the time of reading', () => {
  it.each([
    '(',
    '"',
    '<',
    '<<a',
    '<@',
    '\\',
    '"\\',
    '(\\',
    'a @ ',
    '. ',
    'a. ',
    '[',
    '@[',
    '"a" ',
    'a:',
    'a;',
    "'@'",
    '<a"',
    '<(',
    '\u202a',
  ])('grows with the length of %j repeated, not with its square', (piece) => {
    const time = (size: number) => cpuMs(() => readMailboxes(piece.repeat(size / piece.length)));
    time(50_000);
    const [short, long] = [time(10_000), time(100_000)];
    expect(long).toBeLessThan(Math.max(short, 20) * 50);
  });
});
