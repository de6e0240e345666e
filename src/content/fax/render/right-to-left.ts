// The visual order of Hebrew, Arabic and similar text (UAX 9, by bidi-js), for pdfkit, which places words from left to right. Its
// font engine reverses a word whose first letter is of such a script; all other words keep their order and are reversed here.
import bidiJs from 'bidi-js';

// The declarations are those of the ES module; Node loads the CommonJS one, which is the factory itself.
const bidi = (bidiJs as unknown as typeof bidiJs.default)();

const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
/** The font engine takes these digits for letters of their script and reverses them, though numbers run from left to right. */
const ARABIC_DIGIT = /[\u0660-\u0669\u06f0-\u06f9]/;

export function hasRightToLeft(text: string): boolean {
  return RIGHT_TO_LEFT.test(text);
}

export interface Paragraph {
  /** True when the paragraph runs from right to left: its first letter decides (UAX 9, P2). */
  readonly rightToLeft: boolean;
  /** The words and blanks between `start` and `end` as they stand on paper, from left to right. */
  visual(start: number, end: number): string[];
}

export function paragraphOf(text: string): Paragraph {
  const embedding = bidi.getEmbeddingLevels(text);
  const { levels } = embedding;
  return {
    rightToLeft: ((embedding.paragraphs[0]?.level ?? 0) & 1) === 1,
    visual(start, end) {
      const mirrored = bidi.getMirroredCharactersMap(text, levels, start, end - 1);
      const indices = bidi.getReorderedIndices(text, embedding, start, end - 1).slice(start, end);
      return runsOf(indices, levels).flatMap(({ from, to, level }) => {
        const characters = Array.from(
          { length: to - from },
          (_, at) => mirrored.get(from + at) ?? text[from + at] ?? '',
        );
        return piecesOf(characters.join(''), level);
      });
    },
  };
}

interface Run {
  readonly from: number;
  readonly to: number;
  readonly level: number;
}

/** Neighbours on paper that are neighbours in the text, too, and have the same level. */
function runsOf(indices: readonly number[], levels: Uint8Array): Run[] {
  const runs: Run[] = [];
  for (const index of indices) {
    const level = levels[index] ?? 0;
    const last = runs.at(-1);
    const next = level % 2 === 0 ? last?.to : (last?.from ?? 0) - 1;
    if (last && last.level === level && next === index)
      runs[runs.length - 1] = { from: Math.min(last.from, index), to: Math.max(last.to, index + 1), level };
    else runs.push({ from: index, to: index + 1, level });
  }
  return runs;
}

function piecesOf(run: string, level: number): string[] {
  const pieces = run.split(/(\s+)/).filter((piece) => piece !== '');
  if (level % 2 === 0) return pieces.map((piece) => (isReversedByFont(piece) ? reversed(piece) : piece));
  return pieces.reverse().map((piece) => (isReversedByFont(piece) ? piece : reversed(piece)));
}

function isReversedByFont(piece: string): boolean {
  const first = /\p{L}|[\u0660-\u0669\u06f0-\u06f9]/u.exec(piece)?.[0] ?? '';
  return RIGHT_TO_LEFT.test(first) || ARABIC_DIGIT.test(first);
}

function reversed(text: string): string {
  return Array.from(text).reverse().join('');
}
