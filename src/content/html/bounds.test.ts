// The inputs that made HTML libraries stall, overflow or throw, each within the second that a message may take.
import { expect, it } from 'vitest';
import { cpuMs, dangers } from '../../../test/fixtures/html-probes.js';
import { MAX_HTML } from './bounds.js';
import { cleanHtml } from './clean.js';
import { textToHtml } from './from-text.js';
import { htmlToText } from './text.js';

const noImages = { image: () => undefined };
const END = 'the end';

const HOSTILE: Record<string, string> = {
  '200,000 unclosed <b>': '<b>'.repeat(200_000),
  '50,000 nested div': '<div>'.repeat(50_000),
  '2,200 nested div, closed': '<div>'.repeat(2_200) + '</div>'.repeat(2_200),
  'unclosed links': '<a href="http://x.example/">'.repeat(40_000),
  'nested blockquotes with lines': `${'<blockquote>'.repeat(20_000)}${'x<br>'.repeat(50_000)}`,
  'nested lists': '<ul><li>x'.repeat(60_000),
  'nested tables': '<table><tr><td>x'.repeat(40_000),
  'a wide table': `<table><tr>${'<td>x</td>'.repeat(100_000)}`,
  'a million <br>': '<br>'.repeat(1_000_000),
  '5.5 MB of flat HTML': '<p>hello world, this is text</p>\n'.repeat(170_000),
  'misnested tags': '<b><i></b></i>'.repeat(70_000),
  'misnested cells': `<b><td>${'<i>'.repeat(100_000)}${'</b>'.repeat(100_000)}`,
  'a million <': '<'.repeat(1_000_000),
  '250,000 <!--': '<!--'.repeat(250_000),
  'comments with one late end': `${'<!--a-->'.repeat(120_000)}--!>`,
  '100,000 attributes': `<p ${'a=b '.repeat(100_000)}>`,
  'a 5 MB attribute': `<p title="${'x'.repeat(5_000_000)}">`,
  'a 2 MB style element': `<style>${'a{b:c}'.repeat(350_000)}</style>`,
  'unclosed style elements': '<style>'.repeat(140_000),
  'unclosed quotes': '<a b="'.repeat(150_000),
  'unclosed values': '<a b='.repeat(180_000),
  'a 5 MB word': 'x'.repeat(5_000_000),
  'a million &': '&'.repeat(1_000_000),
  'half references': '&#'.repeat(500_000),
  'a colspan of a billion': `<table>${'<tr><td colspan=1000000000 rowspan=1000000000>x</td></tr>'.repeat(1_000)}</table>`,
  'long blanks in addresses': `<a href="http://x${' '.repeat(3_900)}y">`.repeat(200),
  'styles made to be slow': `<p style="font-family:${'a ,'.repeat(2_500)}!">`.repeat(120),
  'closing tags of nothing': '</div>'.repeat(160_000),
};

// The quadratic versions take ten seconds and more.
const MOST_CPU_MS = 2_000;

it.each(Object.entries(HOSTILE))(
  '%s: cleaned and turned into text in bounded time, nothing thrown',
  (_name, hostile) => {
    let html = '';
    let text = '';
    const clean = cpuMs(() => {
      html = cleanHtml(hostile, noImages).html;
    });
    const convert = cpuMs(() => {
      text = htmlToText(hostile);
    });
    expect(
      Math.max(
        clean,
        convert,
        cpuMs(() => textToHtml(hostile)),
      ),
    ).toBeLessThan(MOST_CPU_MS);
    expect(text.length).toBeLessThan(MAX_HTML * 8);
    // A tag cut in two by the slice is no finding.
    expect(dangers(html.slice(0, 100_000).replace(/<[^>]*$/, ''))).toEqual([]);
  },
);

it('deep HTML keeps its words and its lines, and says that it was flattened', () => {
  const { html, notes } = cleanHtml(`${'<div>line<span>'.repeat(5_000)}${END}`, noImages);
  expect(htmlToText(html).split('\n').length).toBeGreaterThan(4_000);
  expect(html).toContain(END);
  expect(notes.join()).toMatch(/too deep or had too many tags: \d+ tags were left out/);
});

it('layouts as deep as real ones are untouched', () => {
  const html = `${'<table><tr><td>'.repeat(40)}x${'</td></tr></table>'.repeat(40)}`;
  expect(cleanHtml(html, noImages)).toEqual({ html, notes: [] });
});

it('a thousand unclosed paragraphs are no depth', () => {
  const { html, notes } = cleanHtml('<p>x<p>y'.repeat(1_000), noImages);
  expect(html).toBe('<p>x</p><p>y</p>'.repeat(1_000));
  expect(notes).toEqual([]);
});

it('a document over the limit is cut between characters, with a note, and stays whole markup', () => {
  for (let shift = 0; shift < 7; shift++) {
    const long = `<div><p>${'x'.repeat(shift)}${'😀&amp;'.repeat(145_000)}</p></div>`;
    const { html, notes } = cleanHtml(long, noImages);
    expect(html.length).toBeLessThanOrEqual(MAX_HTML + 20);
    expect(html).toMatch(/(?:😀|&amp;)<\/p><\/div>$/u);
    expect(notes).toEqual([`The HTML of this message was cut after ${MAX_HTML} of ${long.length} characters.`]);
  }
});

it('more tags than a browser needs to show a message are left out, and the words stay', () => {
  const { html, notes } = cleanHtml(`${'<br>'.repeat(60_000)}${'<b>x</b>'.repeat(10)}${END}`, noImages);
  expect(html).toBe(`${'<br />'.repeat(50_000)}${'x'.repeat(10)}${END}`);
  expect(notes.join()).toContain('10010 tags were left out');
});

it('large embedded images do not count as markup: the words behind them stay', () => {
  const { html, notes } = cleanHtml(
    `<img src="data:image/png;base64,${'A'.repeat(3_000_000)}"><p>${END}</p>`,
    noImages,
  );
  expect(html.startsWith('<img src="data:image/png;base64,AAAA')).toBe(true);
  expect(html.endsWith(`<p>${END}</p>`)).toBe(true);
  expect(notes).toEqual([]);
});
