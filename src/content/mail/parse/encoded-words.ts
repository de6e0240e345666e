// Finds the encoded words (RFC 2047) of a raw value, also those that senders write against the rules: with bare question
// marks or blanks inside, without their end, two that share one character. Linear.

export interface EncodedWord {
  readonly start: number;
  readonly end: number;
  readonly charset: string;
  readonly encoding: 'B' | 'Q';
  readonly text: string;
  /** False when its end is missing or is the beginning of the next word. */
  readonly closed: boolean;
}

interface Opening {
  readonly start: number;
  readonly textStart: number;
  readonly charset: string;
  readonly encoding: 'B' | 'Q';
}

const OPENING = /=\?([^?\s]{0,80})\?([bBqQ])\?/g;

export function encodedWords(value: string): EncodedWord[] {
  const openings = [...value.matchAll(OPENING)].map((match): Opening => {
    const textStart = match.index + match[0].length;
    return { start: match.index, textStart, charset: match[1] ?? '', encoding: /b/i.test(match[2] ?? '') ? 'B' : 'Q' };
  });
  const words: EncodedWord[] = [];
  openings.forEach((opening, at) => {
    // No word reaches into the next one; that also keeps the search linear.
    const word = wordAt(value, opening, openings[at + 1]?.start ?? value.length);
    if (word) words.push(word);
  });
  return words;
}

function wordAt(value: string, opening: Opening, limit: number): EncodedWord | undefined {
  const { start, textStart, charset, encoding } = opening;
  const region = value.slice(textStart, Math.min(value.length, limit + 1));
  const length = encoding === 'B' ? region.indexOf('?=') : endOfQ(region);
  if (length >= 0) {
    const end = textStart + length + 2;
    const text = region.slice(0, length);
    return { start, end: Math.min(limit, end), charset, encoding, text, closed: end <= limit };
  }
  const text = /^[^\s?]*/.exec(value.slice(textStart, limit))?.[0] ?? '';
  return text === '' ? undefined : { start, end: textStart + text.length, charset, encoding, text, closed: false };
}

/** The first `?=` that two hexadecimal digits do not follow: there the question mark is text and `=C5` an octet, unless nothing else ends the word. */
function endOfQ(region: string): number {
  const first = region.indexOf('?=');
  for (let at = first; at >= 0; at = region.indexOf('?=', at + 1)) {
    if (!/^[0-9A-F]{2}/.test(region.slice(at + 2, at + 4))) return at;
  }
  return first;
}

/** Words with nothing but blanks between them, which are not shown (RFC 2047 6.2). */
export function wordRuns(value: string): EncodedWord[][] {
  const runs: EncodedWord[][] = [];
  for (const word of encodedWords(value)) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last && value.slice(last.end, word.start).trim() === '') run.push(word);
    else runs.push([word]);
  }
  return runs;
}
