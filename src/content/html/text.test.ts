import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cpuMs, dangers } from '../../../test/fixtures/html-probes.js';
import { textToHtml } from './from-text.js';
import { htmlToText } from './text.js';

describe('HTML as text', () => {
  it('keeps paragraphs, lines, lists, headings and rules apart', () => {
    const html =
      '<h1>Offer</h1><p>Dear Ms. Novák,<br>thank you.</p><ul><li>one</li><li>two</li></ul><ol><li>first</li></ol><hr><div>Bye</div><div>Jan</div>';
    expect(htmlToText(html)).toBe(
      `Offer\n\nDear Ms. Novák,\nthank you.\n\n- one\n- two\n\n 1. first\n\n${'-'.repeat(40)}\n\nBye\nJan`,
    );
  });

  it('shows an address once: only where the words do not say it already', () => {
    expect(htmlToText('<a href="https://example.com/a?b=1&amp;c=2">Read more</a>')).toBe(
      'Read more [https://example.com/a?b=1&c=2]',
    );
    expect(htmlToText('<a href="https://www.example.com/">www.example.com</a>')).toBe('www.example.com');
    expect(htmlToText('<a href="https://example.com/x">https://example.com/x</a>')).toBe('https://example.com/x');
    expect(htmlToText('<a href="mailto:jan@example.com">jan@example.com</a>')).toBe('jan@example.com');
    expect(htmlToText('<a href="mailto:jan@example.com">Jan</a>')).toBe('Jan [jan@example.com]');
    expect(htmlToText('<a href="https://example.com/x"></a>')).toBe('https://example.com/x');
    expect(htmlToText('<a href="javascript:alert(1)">x</a><a href="#top">y</a>')).toBe('xy');
  });

  it('shows an image by its alternative text alone', () => {
    expect(
      htmlToText('<img src="https://example.com/x.png" alt="Logo"> and <img src="data:image/png;base64,AAAA">!'),
    ).toBe('Logo and !');
  });

  it('puts every row of a table on its line and its cells apart', () => {
    const html = '<table><tr><th>Item</th><th>Price</th></tr><tr><td>Book</td><td>10&nbsp;EUR</td></tr></table>after';
    expect(htmlToText(html)).toBe('Item  Price\nBook  10 EUR\nafter');
  });

  it('marks quotes and keeps preformatted text', () => {
    expect(htmlToText('<p>I agree.</p><blockquote>You wrote<blockquote>I wrote</blockquote></blockquote>')).toBe(
      'I agree.\n\n> You wrote\n>\n> > I wrote',
    );
    expect(htmlToText('<pre>a   b\n  c</pre>')).toBe('a   b\n  c');
  });

  it('shows no scripts, styles, titles or comments, and never wraps', () => {
    const long = 'word '.repeat(60).trim();
    expect(htmlToText(`<title>t</title><style>p{}</style><script>x()</script><!-- c --><p>${long}</p>`)).toBe(long);
  });

  it('has no blanks at line ends and never two empty lines in a row', () => {
    expect(htmlToText('<p>a &nbsp; </p><p>&nbsp;</p><div><br><br><br></div><p>b</p>')).toBe('a\n\nb');
  });
});

describe('text as HTML', () => {
  it('makes paragraphs and line breaks and escapes the rest', () => {
    expect(textToHtml('Hello <b> & "you"\r\nline\n\nnext')).toBe(
      '<p>Hello &lt;b&gt; &amp; &quot;you&quot;<br>\nline</p>\n<p>next</p>',
    );
    expect(textToHtml('')).toBe('');
  });

  it('makes quotes out of >, to a bounded depth', () => {
    expect(textToHtml('> a\n>> b\n> > c\nd')).toBe(
      '<blockquote>\n<p>a</p>\n<blockquote>\n<p>b<br>\nc</p>\n</blockquote></blockquote>\n<p>d</p>',
    );
    const deep = textToHtml(`${'>'.repeat(5_000)} x`);
    expect(deep.match(/<blockquote>/g)?.length).toBe(12);
    expect(deep.match(/<\/blockquote>/g)?.length).toBe(12);
  });

  it('links web addresses, without the punctuation of the sentence', () => {
    const linked = (text: string) => [...textToHtml(text).matchAll(/href="([^"]*)"/g)].map((match) => match[1]);
    expect(linked('See https://example.com/a?b=1&c=2, or (http://x.example/y_(z)).')).toEqual([
      'https://example.com/a?b=1&amp;c=2',
      'http://x.example/y_(z)',
    ]);
    expect(linked('<https://example.com/> "https://example.com/q" https://')).toEqual([
      'https://example.com/',
      'https://example.com/q',
    ]);
    expect(linked('javascript:alert(1) data:text/html,x ftp://x mailto:a@b')).toEqual([]);
  });

  it('drops control characters', () => {
    expect(textToHtml('a\u0000b\u001b[31mc\td')).toBe('<p>ab[31mc\td</p>');
  });

  it('is safe whatever the text, and reads back as the same words', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '"',
      "'",
      '&',
      '\n',
      '> ',
      'https://a.example/',
      '(',
      ')',
      '<script>',
      'x',
      ' ',
      'ě',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(piece).map((pieces) => pieces.join('')),
        ),
        (text) => {
          const html = textToHtml(text);
          expect(dangers(html)).toEqual([]);
          const words = (value: string) => value.replace(/[\s>\p{Cc}\u200b\ufeff]+/gu, '');
          expect(words(htmlToText(html))).toBe(words(text));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('takes linear time for a million brackets or addresses', () => {
    for (const text of [
      `https://x.example/${')'.repeat(1_000_000)}`,
      'https://x.example/a '.repeat(50_000),
      '>'.repeat(1_000_000),
      `https://${'.'.repeat(1_000_000)}`,
    ]) {
      expect(cpuMs(() => textToHtml(text))).toBeLessThan(2_000);
    }
  });
});

describe('line ends that a style shows', () => {
  it.each([
    [
      '<div style="white-space: pre-wrap">Name: Jana\r\nPhone: 602\r\n\r\n- first\r\n- second</div>',
      'Name: Jana\nPhone: 602\n\n- first\n- second',
    ],
    ['<p style="color:red;WHITE-SPACE:PRE-LINE">a\nb</p>', 'a\nb'],
    ['<span style="white-space:pre">a\nb</span> c\nd', 'a\nb c d'],
    ['<div style="white-space:break-spaces"><b>a\nb</b></div>', 'a\nb'],
    ['<td style="white-space:pre-wrap !important">a\nb</td>', 'a\nb'],
    ['<div style="white-space:pre-wrap"><p style="white-space:normal">a\nb</p>c\nd</div>', 'a b\n\nc\nd'],
    ['<div style="white-space:pre-wrap"><pre>a\nb</pre></div>', 'a\nb'],
    ['<div style="white-space:nowrap">a\nb</div>', 'a b'],
    ['<div title="white-space:pre">a\nb</div>', 'a b'],
  ])('%j', (html, text) => expect(htmlToText(html)).toBe(text));
});
