// The settings that several drivers share about the other end: its host, and the country of its numbers.
import { isIP } from 'node:net';
import { isSupportedCountry } from 'libphonenumber-js/min';
import { z } from '../settings.js';

/** A label of a host name; underscores are no letters of it (RFC 1123, 2.1), and yet occur in internal networks. */
const LABEL = /^[\p{L}\p{N}_](?:[\p{L}\p{N}_-]{0,61}[\p{L}\p{N}_])?$/u;
const LONGEST = 253;

/** A host name or an IP address and nothing else. */
export function hostType() {
  return z
    .string()
    .superRefine((host, context) => {
      const problem = hostProblem(host);
      if (problem !== null) context.addIssue({ code: 'custom', message: problem });
    })
    .transform(withoutBrackets);
}

/** One clause that says what would be right; null for a host. */
export function hostProblem(host: string): string | null {
  if (host.trim() === '') return 'is empty: write the name or address of the server';
  if (isHost(withoutBrackets(host))) return null;
  const bare = bareHost(host);
  const shown = JSON.stringify(host);
  if (!isHost(bare)) return `${shown} is not a host name or IP address`;
  const { what, port } = partsOf(host);
  const also = port === '' ? '' : `, and the port as "Port": ${port}`;
  return `${shown} is more than a host: it has ${what}; write only ${JSON.stringify(bare)}${also}`;
}

function isHost(text: string): boolean {
  const name = text.replace(/\.$/, '');
  return isIP(text) > 0 || (name.length <= LONGEST && name !== '' && name.split('.').every((part) => LABEL.test(part)));
}

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/** The host in what was written, where it can be found. */
function bareHost(text: string): string {
  const rest = text
    .replace(SCHEME, '')
    .replace(/^\/+/, '')
    .replace(/[/?#].*$/s, '')
    .replace(/^[^@]*@/, '')
    .trim();
  const bracketed = /^\[([^\]]+)\]/.exec(rest)?.[1];
  if (bracketed !== undefined) return bracketed;
  return isHost(rest) ? rest : rest.replace(/\s{0,5}:\s{0,5}\d{0,9}$/, '');
}

function partsOf(text: string): { what: string; port: string } {
  const after = text.replace(SCHEME, '');
  const port = /^[^/?#]*:\s*(\d{1,5})(?:[/?#]|\s*$)/.exec(after)?.[1] ?? '';
  const found = [
    ...(SCHEME.test(text) ? ['a scheme'] : []),
    ...(/^[^/?#]*@/.test(after) ? ['a user'] : []),
    ...(port !== '' ? ['a port'] : []),
    ...(/[/?#]/.test(after) ? ['a path'] : []),
    ...(/\s/.test(text) ? ['a blank'] : []),
  ];
  return { what: found.length > 0 ? found.join(' and ') : 'other characters', port };
}

/** `[::1]` as an address is written in a link. */
function withoutBrackets(host: string): string {
  const inside = /^\[([^\]]+)\]$/.exec(host)?.[1];
  return inside !== undefined && isIP(inside) === 6 ? inside : host;
}

/** Two letters that many write, and the code that was meant. */
const MEANT: Readonly<Record<string, string>> = {
  UK: 'GB',
  EL: 'GR',
  EN: 'GB',
  SF: 'FI',
  CS: 'CZ',
  JA: 'JP',
  KO: 'KR',
};

/** A country whose numbers are known (ISO 3166-1). */
export function regionType() {
  return z
    .string()
    .trim()
    .toUpperCase()
    .superRefine((region, context) => {
      const problem = regionProblem(region);
      if (problem !== null) context.addIssue({ code: 'custom', message: problem });
    });
}

/** `region`: in capitals. */
export function regionProblem(region: string): string | null {
  if (isSupportedCountry(region)) return null;
  const shown = JSON.stringify(region);
  if (!/^[A-Z]{2}$/.test(region)) return `${shown} is not a country code of two letters (ISO 3166-1)`;
  const meant = MEANT[region];
  return `${shown} is no country whose numbers are known (ISO 3166-1)${meant ? `; did you mean "${meant}"?` : ''}`;
}

const TLS_PORTS: readonly number[] = [465, 993, 995];
const PLAIN_PORTS: readonly number[] = [587, 143, 110];

/** A port that is registered for the other way of protecting the connection (RFC 8314, 7); null when both fit. */
export function portProblem(port: number | undefined, security: 'Tls' | 'StartTls' | 'None'): string | null {
  if (port === undefined) return null;
  if (TLS_PORTS.includes(port) && security !== 'Tls')
    return `"${security}" does not fit Port ${port}, where TLS begins with the first byte: write "Security": "Tls", or another Port`;
  if (PLAIN_PORTS.includes(port) && security === 'Tls')
    return `"Tls" does not fit Port ${port}, where a connection begins unencrypted: write "Security": "StartTls", or leave Port out`;
  return null;
}
