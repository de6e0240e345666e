import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ATTACKS, dangers } from '../../../test/fixtures/html-probes.js';
import { cleanHtml } from './clean.js';

const noImages = { image: () => undefined };
const clean = (html: string) => cleanHtml(html, noImages).html;
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

describe('attacks in a customer’s HTML', () => {
  it.each(ATTACKS.map((attack, index) => [index, attack] as const))('%i leaves nothing dangerous: %s', (_i, attack) => {
    for (const html of [
      attack,
      `<div><table><tr><td>${attack}</td></tr></table>`,
      `<p title="${attack}">x`,
      `${attack}${attack}`,
    ]) {
      expect(dangers(clean(html))).toEqual([]);
    }
  });

  it('come out the same when cleaned again: nothing mutates into something else', () => {
    for (const attack of ATTACKS) expect(clean(clean(attack))).toBe(clean(attack));
  });

  it('are found by the judge of these tests when they are not cleaned', () => {
    const harmless = ATTACKS.filter((attack) => dangers(attack).length === 0);
    expect(harmless).toEqual([
      // Dangerous only with something behind it, as text only when it is decoded twice, and when the quotes are lost.
      '<img src=x onerror="alert(1)"',
      '&lt;script&gt;alert(1)&lt;/script&gt;',
      "<p title='<img src=x onerror=alert(1)>'>x</p>",
    ]);
  });

  it('whatever is put together: never a throw, nothing dangerous', () => {
    const piece = fc.constantFrom(
      ...ATTACKS,
      ...[
        '<',
        '>',
        '"',
        "'",
        '=',
        '/',
        '&',
        ';',
        '<!--',
        '-->',
        '</',
        '<p',
        '<a href=',
        '<img src=',
        ' style=',
        '<style>',
        '<table>',
        '<td>',
        '</td>',
        '\n',
        'x',
      ],
    );
    const html = fc.array(fc.oneof(piece, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 30 });
    fc.assert(
      fc.property(html, (pieces) => {
        expect(dangers(clean(pieces.join('')))).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('ordinary HTML', () => {
  it('keeps its structure, styles and links', () => {
    const html =
      '<table width="600" bgcolor="#ffffff"><tr><td align="left" style="padding:10px 20px;color:#333"><p>Hello <b>you</b></p></td></tr></table>';
    expect(clean(html)).toBe(
      '<table width="600" bgcolor="#ffffff"><tr><td align="left" style="padding:10px 20px;color:#333"><p>Hello <b>you</b></p></td></tr></table>',
    );
  });

  it('is reduced to the content of its body', () => {
    const html =
      '<!DOCTYPE html><html><head><title>Offer</title><style>p{color:red}</style></head><body class="x"><p id="a">Text</p></body></html>';
    expect(cleanHtml(html, noImages)).toEqual({ html: '<p>Text</p>', notes: [] });
  });

  it('opens links in a new window that cannot reach back', () => {
    expect(clean('<a href="https://example.com/a b?c=1&amp;d=2" target="_top">x</a>')).toBe(
      '<a href="https://example.com/a%20b?c=1&amp;d=2" target="_blank" rel="noopener noreferrer nofollow">x</a>',
    );
    expect(clean('<a href="mailto:a@example.com">x</a><a href="tel:+420123">y</a>')).toContain('href="tel:+420123"');
  });

  it('says how many links it took away, but not about places on the page', () => {
    const { html, notes } = cleanHtml('<a href="/a">x</a><a href="//b">y</a><a href="#top">z</a>', noImages);
    expect(html).toBe('<a>x</a><a>y</a><a>z</a>');
    expect(notes).toEqual(['2 links with forbidden addresses removed.']);
  });

  it('closes what was left open, so that text behind it looks as it should', () => {
    expect(clean('<ul><li>a<li>b</ul><table><tr><td>1<td>2<tr><td>3</table><p>one<p>two')).toBe(
      '<ul><li>a</li><li>b</li></ul><table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table><p>one</p><p>two</p>',
    );
  });

  it('does not let a stray closing tag in a cell break the table around it', () => {
    expect(clean('<span><table><tr><td>a</span></div></td><td>b</td></tr></table></span>')).toBe(
      '<span><table><tr><td>a</td><td>b</td></tr></table></span>',
    );
  });

  it('loses no words to an unclosed comment, quote, style or title', () => {
    for (const opening of ['<!-- ', '<style>', '<title>', '<p title="', "<a b='", '<', '<3 ', '<!', '<?']) {
      expect(clean(`before ${opening}after`)).toContain('after');
      expect(clean(`before ${opening}after`)).toContain('before');
    }
  });

  it('shows what stood in a text area as plain characters', () => {
    expect(clean('<textarea><b>5 < 6</b></textarea>')).toBe('&lt;b&gt;5 &lt; 6&lt;/b&gt;');
  });
});

describe('images', () => {
  it('of the mail itself are shown as data', () => {
    const image = (cid: string) => (cid === 'a b@example.com' ? `data:image/png;base64,${PIXEL}` : undefined);
    const { html, notes } = cleanHtml('<img alt="Logo" width=10 src="cid:a%20b@example.com">', { image });
    expect(html).toBe(`<img src="data:image/png;base64,${PIXEL}" alt="Logo" width="10" />`);
    expect(notes).toEqual([]);
  });

  it('from elsewhere are never loaded: their text stands there instead, and a note says so', () => {
    const { html, notes } = cleanHtml(
      '<img src="https://t.example/logo.png" alt="Our <b>logo</b>"><img src="//t.example/1.gif"><img src="cid:none" alt="scan">',
      noImages,
    );
    expect(html).toBe('<span>Our &lt;b&gt;logo&lt;/b&gt;</span><span></span><span>scan</span>');
    expect(notes).toEqual(['2 remote images removed.', 'One image could not be shown.']);
  });

  it('written as data stay when they are plain pictures, small or large', () => {
    for (const base64 of [PIXEL, PIXEL.replace('==', '').repeat(5_000)]) {
      expect(clean(`<img src=" data:image/PNG;base64,${base64}">x`)).toBe(
        `<img src="data:image/PNG;base64,${base64}" />x`.replace('PNG', 'png'),
      );
    }
    expect(clean('<img src="data:image/svg+xml;base64,AAAA" alt="drawing">')).toBe('<span>drawing</span>');
  });

  it('are left out beyond their budget, with a note, and the text stays', () => {
    const large = `<img src="data:image/png;base64,${'A'.repeat(3_000_000)}">`;
    const { html, notes } = cleanHtml(`${large}one${large}two`, noImages);
    expect(html.endsWith('one<span></span>two')).toBe(true);
    expect(notes).toEqual(['One image left out of the text: too large.']);
  });

  it('cannot be conjured up in text', () => {
    const html = `<img src="data:image/png;base64,${PIXEL}">&lt;img src="gatepost-image:0" <span title='<img src="gatepost-image:0"'>x</span>`;
    expect(clean(html).split(PIXEL).length).toBe(2);
  });
});
