// Random numbers that are the same at every run, so that two runs measure the same input.

/** Gives numbers in [0, 1). */
export type Dice = () => number;

/** The generator known as mulberry32: 32 bits of state, plenty for filling mails with words. */
export function dice(seed: number): Dice {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Throws for an empty list. */
export function pick<T>(roll: Dice, from: readonly T[]): T {
  const found = from[Math.floor(roll() * from.length)];
  if (found === undefined) throw new Error('nothing to pick from');
  return found;
}
