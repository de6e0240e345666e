import { describe, expect, it } from 'vitest';
import { paragraphOf } from './right-to-left.js';

/** What stands on paper: the font engine reverses the pieces whose first letter is Hebrew or Arabic. */
function onPaper(text: string): string {
  return paragraphOf(text)
    .visual(0, text.length)
    .map((piece) =>
      /[\u0590-\u06ff]/u.test(/\p{L}|[\u0660-\u0669]/u.exec(piece)?.[0] ?? '') ? reversed(piece) : piece,
    )
    .join('');
}

const reversed = (text: string) => Array.from(text).reverse().join('');

describe('the visual order of a line', () => {
  it.each([
    ['אבג דהו', 'והד גבא'],
    ['אבג abc def דהו', 'והד abc def גבא'],
    ['order אבג דהו now', 'order והד גבא now'],
    ['אבג 12.50 דהו', 'והד 12.50 גבא'],
    ['א-12.50-ב', 'ב-12.50-א'],
    ['אבג (דהו)', '(והד) גבא'],
    ['رقم ٤٧١١', `٤٧١١ ${reversed('رقم')}`],
    ['plain (text) 12', 'plain (text) 12'],
  ])('of %j is %j', (text, expected) => {
    expect(onPaper(text)).toBe(expected);
  });

  it('is that of the part of the paragraph that is on the line', () => {
    expect(paragraphOf('אבג דהו').visual(0, 3)).toEqual(['אבג']);
  });

  it('runs from right to left when the first letter does', () => {
    expect(paragraphOf('12 אבג abc').rightToLeft).toBe(true);
    expect(paragraphOf('abc אבג').rightToLeft).toBe(false);
  });
});
