import { describe, expect, it } from 'vitest';
import { createLog } from './create-log.js';
import { visible, visibleInJson, withoutInvisible } from './invisible.js';
import { redactor } from './redact.js';
import { clean, oneLine, table } from './terminal.js';

/** One of each kind: what sets colours and titles, rewrites lines, turns the direction, or is not seen. */
const HOSTILE = [
  '\u001b[2J',
  '\u001b]0;title\u0007',
  '\u009b31m',
  '\u0000',
  '\u0008',
  '\u000d',
  '\u007f',
  '\u0085',
  '\u00ad',
  '\u061c',
  '\u200b',
  '\u200f',
  '\u202e',
  '\u2028',
  '\u2060',
  '\u2066',
  '\u3164',
  '\ufeff',
  '\ufff9',
  '\u{e0041}\u{e007f}',
  '\u{e0101}',
];
/** What a terminal must never get from outside. */
const FORBIDDEN = /[^\P{Cc}\n\t]|[^\P{Cf}\u200c\u200d]|[\u2028\u2029\u3164]|[\u{e0100}-\u{e01ef}]/u;

describe('hostile characters', () => {
  it.each(HOSTILE)('%j is dropped or shown', (hostile) => {
    const text = `a${hostile}b`;
    for (const safe of [withoutInvisible(text), visible(text), clean(text), oneLine(text)]) {
      expect(safe).not.toMatch(FORBIDDEN);
      expect(safe.startsWith('a') && safe.endsWith('b')).toBe(true);
    }
    expect(table([{ title: 'x' }], [[text]], 80)).not.toMatch(FORBIDDEN);
    expect(visible(text)).toContain('\\u');
  });

  it('stay what they are for a program that reads JSON', () => {
    for (const hostile of HOSTILE) {
      const json = visible(JSON.stringify({ hostile }, null, 2));
      expect(json).not.toMatch(FORBIDDEN);
      expect(JSON.parse(json)).toEqual({ hostile });
      const shown = JSON.parse(visibleInJson(JSON.stringify({ hostile, path: 'C:\\u202e\\new' })));
      expect(shown.hostile).not.toMatch(FORBIDDEN);
      expect(shown.path).toBe('C:\\u202e\\new');
    }
  });

  it('never reach the log, pretty or not', () => {
    for (const pretty of [true, false]) {
      const lines: string[] = [];
      const log = createLog({ level: 'info', redactor: redactor(), pretty, write: (line) => void lines.push(line) });
      for (const hostile of HOSTILE) {
        log.error(
          { reason: `a${hostile}b`, err: new Error(`x${hostile}y`), [`key${hostile}`]: 1 },
          `message ${hostile}`,
        );
      }
      const own = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');
      for (const line of lines) expect(line.replace(own, '')).not.toMatch(FORBIDDEN);
      expect(lines.join('')).toContain('title');
    }
  });
});

it('ordinary text stays as it is', () => {
  for (const text of ['Žluťoučký kůň\n\tx', '👨‍👩‍👧 ❤️', 'می‌خواهم', 'שלום', 'a\r\nb,c\r\n', '한글', '日本']) {
    expect(visible(text)).toBe(text);
    expect(withoutInvisible(text.replaceAll('\r', ''))).toBe(text.replaceAll('\r', ''));
  }
});
