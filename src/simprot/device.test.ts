import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatDevice, parseDevice } from './device.js';

const message = (text: string) => {
  const parsed = parseDevice(text);
  return parsed.ok ? 'ok' : parsed.message;
};

describe('a Device', () => {
  test.each([
    ['ImapHost { "Host": "mail.example.com", "Port": 993 }', 'ImapHost', { Host: 'mail.example.com', Port: 993 }],
    ['  DropFolder{"FolderName":"D:\\\\in\\\\drop"}  ', 'DropFolder', { FolderName: 'D:\\in\\drop' }],
    ['SmtpDirect', 'SmtpDirect', {}],
    ['O2_x \n {\n}\n', 'O2_x', {}],
  ])('%j is read', (text, type, settings) => {
    expect(parseDevice(text)).toEqual({ ok: true, type, settings });
  });

  test.each([
    ['', /does not start with a device type word/],
    ['{ "Host": "a" }', /does not start with a device type word/],
    ['Imap-Host {}', /does not start with a device type word/],
    ['Pop3Host pop3://user@host', /something else than JSON settings after the type word Pop3Host/],
    ['X { "F": "D:\\in\\drop" }', /column 13: a backslash inside JSON must be doubled: write \\\\i instead of \\i/],
    ['X { "F": "C:\\temp" }', /single backslash in the path of "F"/],
    ['X { "F": "\\\\\\\\srv\\new" }', /single backslash in the path of "F"/],
    ['X { "a": 1, }', /column 13: there is a comma too many before }/],
    ['X { "a": 1 "b": 2 }', /column 12: a comma or } is expected, but there is "/],
    ['X { "Password": hunter2 }', /column 17: a value is expected, but there is a word without quotes \(texts stand/],
    ['X { "Password": "abc"hunter2" }', /a comma or } is expected, but there is a word without quotes/],
    ["X { 'a': 1 }", /column 5: a name in double quotes is expected, but there is '/],
    ['X { "a": yes }', /column 10: a value is expected, but there is yes \(texts stand in double quotes\)/],
    ['X { "a" 1 }', /column 9: a colon is expected after "a", but there is 1/],
    ['X {\n  "a": "b\n}', /line 2, column 10: a line break, tab/],
    ['X { "a": "b', /column 12: a closing double quote is missing/],
    ['X { "a": 1 } y', /column 14: nothing may follow the JSON, but there is y/],
    ['X { "a": 1, "a": 2 }', /column 13: "a" is given twice/],
    [`X ${'{"a":'.repeat(100)}1${'}'.repeat(100)}`, /nested deeper than 64/],
    [`X {"a":"${'x'.repeat(70_000)}"}`, /longer than 65536 characters/],
  ])('what is wrong is refused with the place and the reason: %#', (text, expected) => {
    expect(message(text)).toMatch(expected);
  });

  test('the type word is returned even when the rest is unreadable, so that a foreign device can be named', () => {
    expect(parseDevice('Pop3Host pop3://x')).toMatchObject({ ok: false, type: 'Pop3Host' });
  });

  test('an object that JSON.parse accepts is accepted, and one that it rejects is rejected with the position', () => {
    const texts = fc.oneof(
      fc.json(),
      fc.json().chain((text) => fc.nat(text.length).map((at) => `${text.slice(0, at)}${text.slice(at + 1)}`)),
      fc.string({ unit: fc.constantFrom(...'{}[]":,\\ntrue01.-e \t\n') }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const json = `{"a":${text}}`;
        const parsed = parseDevice(`X ${json}`);
        if (parsed.ok) expect(parsed.settings).toEqual(JSON.parse(json));
        else if (!/given twice|single backslash|nested/.test(parsed.message)) {
          expect(() => JSON.parse(json)).toThrow();
          expect(parsed.message).toMatch(/column \d+: /);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('formatting and parsing are inverse, up to the longest text', () => {
    const settings = { Host: 'a', Text: `${'\\"é🙂'.repeat(8000)}` };
    expect(parseDevice(formatDevice('X', settings))).toEqual({ ok: true, type: 'X', settings });
  });
});
