// Counterparties sign a webhook's address as it was entered in their console, and ask for it as their HTTP client writes it.
import { trimEndWhere } from '../../kit/trim.js';

/** Three capitals, three endings, two ports; more would only cost time. */
const MOST_SPELLINGS = 18;

/**
 * The spellings of a public address that a counterparty may have signed, the received one first. All of them lead to the
 * same gateway, so a signature over any of them is as good as over another.
 */
export function signedAddresses(received: string): readonly string[] {
  const parts = /^([a-z]+:\/\/[^/?#]*)([^?#]*)(.*)$/is.exec(received);
  if (!parts) return [received];
  const [, origin = '', path = '', query = ''] = parts;
  const trimmed = trimEndWhere(path, (character) => character === '/');
  const paths = [path, trimmed, `${trimmed}/`].flatMap((one) => [one, withId(one, 'lower'), withId(one, 'upper')]);
  const all = portsOf(origin).flatMap((one) => paths.map((spelled) => one + spelled + query));
  return [...new Set([received, ...all])].slice(0, MOST_SPELLINGS);
}

/** Whether `verify` accepts one of the spellings. */
export function isSignedAddress(received: string, verify: (address: string) => boolean): boolean {
  return signedAddresses(received).some(verify);
}

const GATEWAY = /(\/webhooks\/)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=\/|$)/i;

function withId(path: string, letters: 'lower' | 'upper'): string {
  const spell = (id: string) => (letters === 'lower' ? id.toLowerCase() : id.toUpperCase());
  return path.replace(GATEWAY, (_, before: string, id: string) => before + spell(id));
}

/** The default port may be written or not. */
function portsOf(origin: string): string[] {
  const port = /^https:/i.test(origin) ? ':443' : ':80';
  if (origin.endsWith(port)) return [origin, origin.slice(0, -port.length)];
  return /:\d+$/.test(origin) ? [origin] : [origin, origin + port];
}
