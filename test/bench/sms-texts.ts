// The texts that are measured with: generated, the same at every run and on both sides, each of one part; three of
// four in the 7-bit alphabet, the fourth in UCS-2.
import { dice, pick } from './dice.js';
import { LANGUAGES } from './languages.js';

export interface Text {
  /** The customer's number, another one for every text. */
  readonly customer: string;
  readonly body: string;
  /** SMPP's data_coding. */
  readonly coding: 0 | 8;
}

/** The number that the contact center is reached at. */
export const DESK = '+420225001122';
/** Bodies made beforehand, so that making them is no part of what is measured. */
const BODIES = 200;
/** Characters, the number at the end included: below 160, and below 70 in UCS-2. */
const LONGEST = { 0: 140, 8: 60 } as const;

const english = LANGUAGES[0];
const russian = LANGUAGES[7];
const bodies = Array.from({ length: BODIES }, (_, at) => bodyOf(at, at % 4 === 3 ? 8 : 0));

/** `number`: from 0, below a million. */
export function benchText(number: number): Text {
  const [body, coding] = bodies[number % BODIES] ?? ['', 0];
  return { customer: `+420602${String(number).padStart(6, '0')}`, body: `${body} ${number}`, coding };
}

function bodyOf(seed: number, coding: 0 | 8): [string, 0 | 8] {
  const roll = dice(seed);
  const words = (coding === 8 ? russian : english)?.words ?? [];
  let body = pick(roll, words);
  const length = (0.4 + 0.6 * roll()) * (LONGEST[coding] - 8);
  for (let next = pick(roll, words); body.length + next.length < length; next = pick(roll, words)) body += ` ${next}`;
  return [body, coding];
}
