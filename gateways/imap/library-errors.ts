// What the library puts on its errors.
import { messageOf } from '../../src/driver/contract.js';

/** The server's own answer where there is one. */
export function serverAnswer(error: unknown): string {
  return oneLine(text(error, 'responseText') || text(error, 'response') || text(error, 'reason') || messageOf(error));
}

export function text(error: unknown, member: string): string {
  if (typeof error !== 'object' || error === null) return '';
  const value: unknown = Reflect.get(error, member);
  return typeof value === 'string' ? value : '';
}

const MAX_ANSWER_CHARS = 300;

function oneLine(answer: string): string {
  return answer.replace(/\s+/g, ' ').trim().slice(0, MAX_ANSWER_CHARS);
}
