import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cpuMs } from '../../../test/fixtures/html-probes.js';
import { cleanStyle } from './css.js';

it.each([
  'color:#0066cc',
  'color:rgb(1, 2, 3)',
  'background-color:rgba(0,0,0,.5)',
  'background:white',
  'font:bold 12px/1.5 "Segoe UI", Arial, sans-serif',
  'font:12px Arial',
  "font-family:Arial, 'Times New Roman', メイリオ",
  'font-size:14px',
  'font-weight:600',
  'line-height:1.5',
  'letter-spacing:-0.5px',
  'margin:0 auto 10px 1.5em',
  'padding-left:.5em',
  'border:1px solid #ccc',
  'border-top:medium none',
  'border-collapse:collapse',
  'width:100%',
  'max-width:600px',
  'display:none',
  'text-decoration:underline dotted',
  'white-space:pre-wrap',
])('keeps %s', (style) => {
  expect(cleanStyle(style)).toBe(style);
});

it.each([
  'background:url(http://evil.example)',
  'background:image-set("x" 1x)',
  'list-style:url(x)',
  'width:expression(alert(1))',
  'position:absolute',
  'z-index:9',
  'top:0',
  'transform:scale(9)',
  'margin:-1px',
  'margin-left:calc(0px - 9px)',
  'padding:1px -1px',
  'text-indent:-999px',
  'color:red\\9',
  'color:/**/red',
  'co\\6cor:red',
  'font-family:"a',
  "font-family:a'b",
  'font-family:"a\\"b"',
  'font:12px url(x)',
  'content:"x"',
  'behavior:url(#x)',
  '-moz-binding:url(x)',
  '--x:1',
  'color:var(--x)',
  'width:99999px',
  'display:contents',
  'opacity:0',
])('drops %s', (style) => {
  expect(cleanStyle(style)).toBe('');
});

it('drops the bad declaration and keeps its neighbours', () => {
  expect(cleanStyle('COLOR: Red !important ; position:fixed;;x; font-weight :bold')).toBe('color:Red;font-weight:bold');
});

it('never lets anything but plain values through, whatever is written', () => {
  const piece = fc.constantFrom(
    'color',
    'font-family',
    'font',
    'margin',
    'border',
    ':',
    ';',
    'url(',
    '"',
    "'",
    '\\',
    '/*',
    '*/',
    '(',
    ')',
    ',',
    ' ',
    '-',
    '1px',
    'red',
    '!',
    '@',
    '{',
    '}',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
      const style = cleanStyle(pieces.join(''));
      expect(style).not.toMatch(/url|[\\@{}!<>]|\/\*/);
      expect((style.match(/"/g) ?? []).length % 2).toBe(0);
      expect((style.match(/'/g) ?? []).length % 2).toBe(0);
    }),
    { numRuns: 2_000 },
  );
});

it('takes linear time for values made to be slow', () => {
  for (const value of [
    'a ,'.repeat(2_000),
    '1px '.repeat(1_900),
    'a-'.repeat(3_900),
    `rgb(${'1 '.repeat(3_000)}`,
    '"a" '.repeat(1_500),
  ]) {
    for (const property of ['font-family', 'font', 'margin', 'border', 'color']) {
      expect(cpuMs(() => cleanStyle(`${property}:${value}!`))).toBeLessThan(100);
    }
  }
});
