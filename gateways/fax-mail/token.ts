// Owns the word by which mails about a fax are told apart from faxes: it begins our Message-ID, so whoever answers, quotes
// or refuses our mail brings it back. It is made of the send request, the same on every attempt, and cannot be guessed; its end
// says which gateway it is of, because only that gateway can make news of it.
import { createHash } from 'node:crypto';

const TOKEN = /\bfax\.([0-9a-f]{24})([0-9a-f]{8})\b/g;

export function tokenOf(gatewayId: string, reference: string): string {
  const head = digest(`${gatewayId.toLowerCase()}\n${reference}`, 24);
  return `fax.${head}${mark(gatewayId, head)}`;
}

/** The first token of this gateway's in a text; null when there is none. */
export function findToken(gatewayId: string, text: string): string | null {
  for (const [token, head = '', end] of text.matchAll(TOKEN)) if (end === mark(gatewayId, head)) return token;
  return null;
}

const mark = (gatewayId: string, head: string) => digest(`${gatewayId.toLowerCase()} ${head}`, 8);
const digest = (text: string, length: number) => createHash('sha256').update(text).digest('hex').slice(0, length);
