import { describe, expect, it } from 'vitest';
import { undotter } from './undot.js';

/** The mail, and what follows it; undefined when no final dot came. `cuts` are the lengths of the pieces. */
function read(wire: string, cuts: readonly number[] = [wire.length]): { mail: string; rest: string | undefined } {
  const undot = undotter();
  let mail = '';
  let at = 0;
  for (const cut of [...cuts, wire.length]) {
    const piece = Buffer.from(wire.slice(at, at + cut), 'latin1');
    const { output, end } = undot.push(piece);
    mail += output.toString('latin1');
    if (end !== undefined) return { mail, rest: wire.slice(at + end) };
    at += piece.length;
  }
  return { mail, rest: undefined };
}

const cases: [wire: string, mail: string, rest: string | undefined][] = [
  ['hello\r\n.\r\nQUIT\r\n', 'hello\r\n', 'QUIT\r\n'],
  ['.\r\nQUIT\r\n', '', 'QUIT\r\n'],
  ['..\r\n.\r\n', '.\r\n', ''],
  ['...\r\n.\r\n', '..\r\n', ''],
  ['a\r\n..\r\n..\r\n.\r\n', 'a\r\n.\r\n.\r\n', ''],
  ['a\r\n.b\r\n.\r\n', 'a\r\n.b\r\n', ''],
  ['a\n..b\n.\r\n.\r\n', 'a\n.b\n.\r\n', ''],
  ['a\r\n.\rb\r\n.\r\n', 'a\r\n.\rb\r\n', ''],
  ['a\r\n.\r.\r\n.\r\n', 'a\r\n.\r.\r\n', ''],
  ['a\r\r\n.\r\n', 'a\r\r\n', ''],
  ['a.\r\n.\r\n', 'a.\r\n', ''],
  ['a\r\n', 'a\r\n', undefined],
];
/** Every one was the end of a mail to some server in 2023: RFC 5321 2.3.8 allows CR LF alone to end a line. */
const smuggled = [
  '\n.\n',
  '\n.\r\n',
  '\r\n.\n',
  '\r.\r',
  '\r.\r\n',
  '\r\n.\r',
  '\r\n\0.\r\n',
  '\n\n.\r\n',
  '\r\r.\r\n',
];

describe('the dots of DATA', () => {
  it.each(cases)('%j', (wire, mail, rest) => {
    expect(read(wire)).toEqual({ mail, rest });
  });

  it.each(smuggled)('%j ends no mail', (dot) => {
    const wire = `Subject: one\r\n\r\nhello${dot}MAIL FROM:<evil@x.test>\r\n.\r\n`;
    const { mail, rest } = read(wire);
    expect(rest).toBe('');
    expect(mail).toContain('MAIL FROM');
  });

  it('are the same wherever the input is cut', () => {
    const wires = [...cases.map(([wire]) => wire), ...smuggled.map((dot) => `x${dot}y\r\n..\r\n.\r\nQUIT`)];
    for (const wire of wires) {
      const whole = read(wire);
      expect(read(wire, Array(wire.length).fill(1)), JSON.stringify(wire)).toEqual(whole);
      for (let cut = 1; cut < wire.length; cut++) expect(read(wire, [cut]), JSON.stringify(wire)).toEqual(whole);
    }
  });

  it('give back every mail that a client has stuffed', () => {
    const alphabet = ['.', '\r', '\n', '\r\n', 'a'];
    let seed = 7;
    const next = () => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return alphabet[seed % alphabet.length] ?? '';
    };
    for (let round = 0; round < 500; round++) {
      const lines = Array.from({ length: 6 }, () => Array.from({ length: 4 }, next).join(''));
      const mail = `${lines.join('\r\n')}\r\n`;
      const wire = `${mail.replace(/(^|\n)\./g, '$1..')}.\r\n`;
      expect(read(wire), JSON.stringify(mail)).toEqual({ mail, rest: '' });
    }
  });

  it('make one piece of output of one piece of input, never longer than it by more than two bytes', () => {
    const undot = undotter();
    const input = Buffer.from('..\r\n'.repeat(16_384));
    const { output } = undot.push(input);
    expect(output.length).toBe((input.length / 4) * 3);
    expect(output.buffer.byteLength).toBeLessThanOrEqual(input.length + 2);
  });
});
