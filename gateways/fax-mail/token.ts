// The token begins the Message-ID of every sent mail, so an answer, a quotation or a bounce of that mail contains it. It is
// derived from the send request, the same on every attempt, and cannot be guessed. Its last 8 digits identify the gateway, because
// only that gateway can report a receipt for the message.
import { createHash } from 'node:crypto';

const TOKEN = /\bfax\.([0-9a-f]{24})([0-9a-f]{8})\b/g;

export function tokenOf(gatewayId: string, reference: string): string {
  const head = digest(`${gatewayId.toLowerCase()}\n${reference}`, 24);
  return `fax.${head}${gatewayMark(gatewayId, head)}`;
}

/** The first token of this gateway in a text; null when there is none. */
export function findToken(gatewayId: string, text: string): string | null {
  for (const [token, head = '', end] of text.matchAll(TOKEN)) if (end === gatewayMark(gatewayId, head)) return token;
  return null;
}

const gatewayMark = (gatewayId: string, head: string) => digest(`${gatewayId.toLowerCase()} ${head}`, 8);
const digest = (text: string, length: number) => createHash('sha256').update(text).digest('hex').slice(0, length);
