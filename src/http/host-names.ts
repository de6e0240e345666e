// DNS rebinding: a page of a stranger can lead its own name to this machine, and then read what this port answers to it. A
// browser says in the Host header which name it asked for.
import { isIP } from 'node:net';

/**
 * Whether a Host header names this port: one of `names`, an address, or a name without a dot, which nobody can register.
 * Without a header no browser asked.
 */
export function isOwnHost(header: string | undefined, names: readonly string[]): boolean {
  if (header === undefined) return true;
  const name = nameIn(header);
  if (name === undefined) return false;
  return isIP(name) !== 0 || !name.includes('.') || name.endsWith('.localhost') || names.includes(name);
}

/** In small letters, without port, brackets and the final dot. */
function nameIn(header: string): string | undefined {
  const found = /^(?:\[([0-9a-f:.]{2,50})\]|([^\s:/?#@[\]]{1,253}))(?::\d{1,5})?$/i.exec(header);
  return (found?.[1] ?? found?.[2])?.toLowerCase().replace(/\.$/, '');
}
