import { describe, expect, it } from 'vitest';
import { HIDDEN, redactor } from './redact.js';

const SECRET = 'Kü+/"<&\'n=!ry %42\\x';
const json = (text: string) => JSON.stringify(text).slice(1, -1);
const base64 = (text: string) => Buffer.from(text).toString('base64');
const strict = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
const entities = (text: string, base: 10 | 16) =>
  [...text].map((sign) => `&#${base === 16 ? 'x' : ''}${sign.codePointAt(0)?.toString(base)};`).join('');

describe('a secret is hidden in every spelling', () => {
  const redact = (text: string) => {
    const known = redactor();
    known.add(SECRET);
    return known.redact(text);
  };

  it.each([
    ['as it is', SECRET],
    ['in JSON', json(SECRET)],
    ['in JSON inside JSON', json(json(SECRET))],
    ['in JSON with escaped slashes', json(SECRET).replaceAll('/', '\\/')],
    ['in an address', encodeURIComponent(SECRET)],
    ['in an address, small digits', encodeURIComponent(SECRET).replace(/%[0-9A-F]{2}/g, (sign) => sign.toLowerCase())],
    ['in a strict address', strict(SECRET)],
    ['in a form', new URLSearchParams([['p', SECRET]]).toString().slice(2)],
    ['in hexadecimal', Buffer.from(SECRET).toString('hex')],
    ['in hexadecimal, capitals', Buffer.from(SECRET).toString('hex').toUpperCase()],
    ['in HTML, decimal entities', entities(SECRET, 10)],
    ['in HTML, hexadecimal entities', entities(SECRET, 16)],
    ['in HTML', SECRET.replaceAll('&', '&amp;').replaceAll('<', '&lt;')],
    ['in an HTML attribute', SECRET.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')],
  ])('%s', (_how, spelling) => {
    expect(redact(`before ${spelling} after`)).toBe(`before ${HIDDEN} after`);
  });

  it.each(['', 'a:', 'user:', 'someone@example.com:', '\0user\0', '\0\0'])('in base64 behind %j', (before) => {
    for (const text of [before + SECRET, `${before}${SECRET}\n`, `${before}${SECRET};more`]) {
      const hidden = redact(`Authorization: Basic ${base64(text)}`);
      const left = Buffer.from(hidden.replace('Authorization: Basic ', '').replace(HIDDEN, ''), 'base64').toString();
      expect(hidden).toContain(HIDDEN);
      expect(left).not.toContain(SECRET.slice(0, 4));
      expect(redact(Buffer.from(text).toString('base64url'))).toContain(HIDDEN);
    }
  });
});

it('ordinary text around secrets stays, and several secrets are hidden at once', () => {
  const known = redactor();
  for (const secret of ['hunter22', 'hunter22-longer', 'abc']) known.add(secret);
  expect(known.redact('abc Hunter22 hunter22-longer hunter22')).toBe(`abc Hunter22 ${HIDDEN} ${HIDDEN}`);
});

describe('a secret that was cut off', () => {
  const redact = (text: string) => {
    const known = redactor();
    known.add('Kx7-first-half/second&half');
    known.add('  trimmed-away \n\n');
    known.add('brief');
    return known.redact(text);
  };

  it.each([
    ['as it is', 'refused: Kx7-first-half/sec (run the test)'],
    ['at its end', 'refused: Kx7-first-half/second&hal'],
    ['right after its half', 'refused: Kx7-first-hal'],
    ['in an address', 'refused: Kx7-first-half%2Fsecon…'],
    ['in hexadecimal', `refused: ${Buffer.from('Kx7-first-half/second&half').toString('hex').slice(0, 41)}`],
    ['in base64', `refused: ${Buffer.from('user:Kx7-first-half/second&half').toString('base64').slice(0, 33)}`],
    ['twice', 'refused: Kx7-first-half/sec Kx7-first-half/second&half Kx7-first-half/s'],
  ])('%s', (_how, text) => {
    const hidden = redact(text);
    expect(hidden).toContain(HIDDEN);
    expect(hidden).not.toMatch(/first-half|second|46972737|Zmlyc3Q/);
  });

  it('is hidden without the blanks that surround its value in the file', () => {
    expect(redact('refused: trimmed-away')).toBe(`refused: ${HIDDEN}`);
  });

  it('leaves what only begins like one', () => {
    expect(redact('Kx7-first brie Kx7')).toBe('Kx7-first brie Kx7');
  });
});
