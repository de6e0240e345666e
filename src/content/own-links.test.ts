import { expect, it } from 'vitest';
import { cpuMs } from '../../test/fixtures/html-probes.js';
import { REMOVED_LINK, withoutOwnLinks } from './own-links.js';

const SIGNATURE = 'AbC-_'.repeat(9).slice(0, 43);
const LINK = `https://gate.example:8443/files/attachments/a1b2/smlouva%20%C5%A1.pdf?expires=1795341234&signature=${SIGNATURE}`;
const HTML_LINK = LINK.replace('&', '&amp;');

it.each([
  [`> - smlouva.pdf (PDF): ${LINK}\n> thanks`, `> - smlouva.pdf (PDF): ${REMOVED_LINK}\n> thanks`],
  [`<${LINK}>, see`, `<${REMOVED_LINK}>, see`],
  [`(${LINK}).`, `(${REMOVED_LINK}).`],
  [`<a href="${HTML_LINK}">smlouva.pdf</a> x`, '<a>smlouva.pdf</a> x'],
  [`<a class='x' href='${LINK}' target=_blank>f</a>`, "<a class='x' target=_blank>f</a>"],
  [`<a href=${HTML_LINK}>f</a>`, '<a>f</a>'],
  [`<a href="${HTML_LINK}">${HTML_LINK}</a>`, `<a>${REMOVED_LINK}</a>`],
  [`${LINK} ${LINK}`, `${REMOVED_LINK} ${REMOVED_LINK}`],
  [`<a href="https://safe.example/?url=${encodeURIComponent(LINK)}&amp;data=05">f</a>`, '<a>f</a>'],
])('%s leaves without the link', (text, expected) => expect(withoutOwnLinks(text)).toBe(expected));

it.each([
  'https://shop.example/attachments/list?expires=never&signature=x',
  `https://shop.example/download?expires=1795341234&signature=${SIGNATURE}`,
  `?expires=1795341234&signature=${SIGNATURE}`,
  `https://x.example/attachments/ ?expires=1795341234&signature=${SIGNATURE}`,
  '<a href="https://shop.example/a?b=1&amp;c=2">x</a>',
  'no link at all',
])('%s stays', (text) => expect(withoutOwnLinks(text)).toBe(text));

it('takes time in proportion to the text', () => {
  for (const piece of [
    'https://a/attachments/',
    ' href="',
    `?expires=1&signature=${SIGNATURE}`,
    '?expires=1&',
    `${LINK} `,
  ]) {
    const time = (size: number) => cpuMs(() => withoutOwnLinks(piece.repeat(size / piece.length)));
    time(100_000);
    const [short, long] = [time(100_000), time(1_000_000)];
    expect(long).toBeLessThan(Math.max(short, 30) * 50);
  }
});
