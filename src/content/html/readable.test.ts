// Text stays readable when the cleaning takes a background or a colour away.
import { describe, expect, it } from 'vitest';
import { cleanHtml } from './clean.js';
import { luminance } from './colors.js';

const clean = (html: string) => cleanHtml(html, { image: () => undefined }).html;

describe('a dark page stays dark', () => {
  it.each([
    [
      '<body bgcolor="#1b1f3a" text="#ffffff"><p>x</p></body>',
      '<div style="background-color:#1b1f3a;color:#ffffff"><p>x</p></div>',
    ],
    ['<BODY BGCOLOR=1b1f3a TEXT=white>x', '<div style="background-color:#1b1f3a;color:white">x</div>'],
    [
      '<body style="background: #111 url(x.png) repeat; color:#eee">x',
      '<div style="background-color:#111;color:#eee">x</div>',
    ],
    [
      '<body style="background-color:rgb(10, 10, 10)">x',
      '<div style="background-color:rgb(10, 10, 10);color:#ffffff">x</div>',
    ],
    [
      '<body bgcolor=black><font color=white>x</font>',
      '<div style="background-color:black;color:#ffffff"><font color="white">x</font></div>',
    ],
  ])('%s', (html, expected) => expect(clean(html)).toBe(expected));

  it.each([
    ['<body bgcolor="#ffffff" text="#000000">x', 'x'],
    ['<body bgcolor="#f4f4f4">x', 'x'],
    ['<body bgcolor="#000000"></body>', ''],
    ['<body bgcolor="red;x:url(y)">x', 'x'],
  ])('and a light one needs nothing: %s', (html, expected) => expect(clean(html)).toBe(expected));
});

describe('light text without its dark background loses its colour', () => {
  it.each([
    ['<style>.d{background:#123}</style><td class="d"><font color="#ffffff">x</font>', '<td><font>x</font></td>'],
    ['<div style="background:url(x.png)"><p style="color:#fff;margin:0">x</p></div>', '<p style="margin:0">x</p>'],
    ['<div style="background:linear-gradient(#000,#222)"><span style="color:white">x</span></div>', '<span>x</span>'],
    ['<table background="x.png"><tr><td><b style="color:#fefefe">x</b></td></tr></table>', '<b>x</b>'],
    ['<p style="color:rgba(255,255,255,.9)">x</p>', '<p>x</p>'],
    ['<p style="color:hsl(0, 0%, 98%)">x</p>', '<p>x</p>'],
    ['<p style="color:ivory">x</p>', '<p>x</p>'],
  ])('%s', (html, expected) => expect(clean(html)).toContain(expected));

  it.each([
    '<td bgcolor="#123456"><font color="#ffffff">x</font></td>',
    '<td style="background-color:#123456;color:#ffffff"><font color="#ffffff">x</font></td>',
    '<p style="color:#333">x</p>',
    '<p style="color:#aaaaaa">x</p>',
    '<p style="color:red">x</p>',
    '<td style="background:navy;color:#fff">x</td>',
    '<p style="color:inherit">x</p>',
  ])('text that can be read stays as it is: %s', (html) => {
    const without = clean(html).replace(/ style="color:#ffffff"(?=><font)/, '');
    expect(without.replace(';color:#ffffff"><font', '"><font')).toBe(html.replace(';color:#ffffff"><font', '"><font'));
  });

  it('keeps the colour of a shorthand when its image goes', () => {
    expect(clean('<div style="background:#123456 url(x.png) no-repeat center"><p style="color:#fff">x</p></div>')).toBe(
      '<div style="background-color:#123456;color:#ffffff"><p style="color:#fff">x</p></div>',
    );
    expect(clean('<p style="background:url(x) top left / cover">x</p>')).toBe('<p>x</p>');
  });
});

describe('a dark background whose text has no colour of its own', () => {
  it('gets light text, and a light one inside it dark text again', () => {
    expect(
      clean(
        '<style>td{color:#fff}</style><div style="background-color:#111">a<div style="background-color:#fff">b</div></div>',
      ),
    ).toBe(
      '<div style="background-color:#111;color:#ffffff">a<div style="background-color:#fff;color:#000000">b</div></div>',
    );
  });
});

it('colours are as light as browsers paint them', () => {
  for (const white of [
    '#fff',
    '#ffffff',
    'white',
    'rgb(255,255,255)',
    'rgb(100%,100%,100%)',
    'hsl(0,0%,100%)',
    'ffffff',
  ]) {
    expect(luminance(white), white).toBeCloseTo(1);
  }
  for (const red of ['#f00', 'red', 'hsl(0, 100%, 50%)', 'rgba(255,0,0,1)'])
    expect(luminance(red), red).toBeCloseTo(0.2126);
  for (const none of ['transparent', 'inherit', '#ffffff00', 'rgba(255,255,255,0)', '', 'url(x)']) {
    expect(luminance(none), none).toBeUndefined();
  }
});
