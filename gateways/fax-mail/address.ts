// The address of a fax at the provider. A number consists of digits, +, * and # only, which an address may hold unquoted (RFC 5322
// 3.2.3), so a number cannot break out of the address.
import type { NumberFormat } from './providers.js';

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const ADDRESS = new RegExp(`^${ATOM}(?:\\.${ATOM})*@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$`);
/** RFC 5321 4.5.3.1.3. */
const MAX_ADDRESS = 254;
/** Digits of a number: E.164 has 15, and a private exchange may need a prefix. */
const MAX_NUMBER = 32;

export type Written = { ok: true; text: string } | { ok: false; problem: string };

/** `number`: E.164, or as written in the send request. */
export function writeNumber(number: string, format: NumberFormat): Written {
  const dialled = number.replace(/[\s()./-]/g, '');
  const shown = JSON.stringify(number.slice(0, 60));
  if (!/^\+?[\d*#]+$/.test(dialled) || !/\d{2}/.test(dialled))
    return {
      ok: false,
      problem: `the number ${shown} cannot be part of an address: write only digits, *, # and a leading +`,
    };
  if (dialled.length > MAX_NUMBER)
    return { ok: false, problem: `the number ${shown} is longer than ${MAX_NUMBER} digits` };
  if (!dialled.startsWith('+') || format === 'E164') return { ok: true, text: dialled };
  return { ok: true, text: (format === 'Digits' ? '' : format) + dialled.slice(1) };
}

export function addressFor(template: string, number: string): string {
  return template.replaceAll('{number}', number);
}

/** The problem of an AddressTemplate; null when there is none. */
export function templateProblem(template: string): string | null {
  const unknown = /\{(?!number\})[^}]*\}?/.exec(template)?.[0];
  if (unknown) return `holds ${unknown}; the only placeholder is {number}`;
  const address = addressFor(template, '1'.repeat(MAX_NUMBER));
  if (address.length > MAX_ADDRESS) return `makes addresses of more than ${MAX_ADDRESS} characters`;
  return ADDRESS.test(address) ? null : 'does not make an e-mail address';
}
