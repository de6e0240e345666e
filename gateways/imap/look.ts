// One look at the mailbox, and whose trouble it is when the server does not hand mails out. A look ends
//   fine     everything that was asked for came, or is gone
//   mails    some mails were refused while others came: the refused ones rest (suspects.ts), the others go on
//   server   nothing came: the whole gateway waits, longer each time, and is shown as degraded (trouble.ts)
import { type Answer, isServersTrouble } from './refusals.js';

export interface Look {
  /** Mails that the server handed out. */
  handedOut: number;
  /** By UID. Bounded by the chunk in which the look is given up. */
  readonly refused: Map<number, Answer>;
}

export type Verdict = 'fine' | 'mails' | 'server';

/** So many refusals in a row, with nothing handed out before, end a look: ten thousand mails are not asked for one by one. */
export const REFUSED_IN_A_ROW = 3;
/** Looks in a row that brought nothing, after which refused mails rest although no other mail shows that the server works. */
export const LOOKS_UNTIL_SUSPECT = 5;

export function newLook(): Look {
  return { handedOut: 0, refused: new Map() };
}

/** `failures`: looks in a row before this one that brought nothing. */
export function verdictOf({ handedOut, refused }: Look, failures: number): Verdict {
  if (refused.size === 0) return 'fine';
  if (handedOut > 0) return 'mails';
  return mayBeTheirs(refused, failures) ? 'mails' : 'server';
}

/** A mailbox whose only mail is damaged never shows that the server works otherwise. */
export function mayBeTheirs(refused: Look['refused'], failures: number): boolean {
  return failures + 1 >= LOOKS_UNTIL_SUSPECT && ![...refused.values()].some(isServersTrouble);
}
