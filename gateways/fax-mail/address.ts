// Owns the address under which a provider takes a fax. Nothing in a number may break out of it: only digits, +, * and #
// get in, all of which an address may hold as they are (RFC 5322 3.2.3).
import type { NumberFormat } from './providers.js';

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const ADDRESS = new RegExp(`^${ATOM}(?:\\.${ATOM})*@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$`);
/** RFC 5321 4.5.3.1.3. */
const LONGEST_ADDRESS = 254;
/** Digits of a number: E.164 has 15, with what a private exchange wants in front of it some more. */
const LONGEST_NUMBER = 32;

export type Written = { ok: true; text: string } | { ok: false; problem: string };

/** `number` as the contract gives it: E.164, or as written in the send request. */
export function writeNumber(number: string, format: NumberFormat): Written {
  const dialled = number.replace(/[\s()./-]/g, '');
  const shown = JSON.stringify(number.slice(0, 60));
  if (!/^\+?[\d*#]+$/.test(dialled) || !/\d{2}/.test(dialled))
    return {
      ok: false,
      problem: `the number ${shown} cannot be part of an address: only digits, *, # and a + in front can`,
    };
  if (dialled.length > LONGEST_NUMBER)
    return { ok: false, problem: `the number ${shown} is longer than ${LONGEST_NUMBER} digits` };
  if (!dialled.startsWith('+') || format === 'E164') return { ok: true, text: dialled };
  return { ok: true, text: (format === 'Digits' ? '' : format) + dialled.slice(1) };
}

export function addressFor(template: string, number: string): string {
  return template.replaceAll('{number}', number);
}

/** What is wrong with an AddressTemplate; null when nothing is. */
export function templateProblem(template: string): string | null {
  const strange = /\{(?!number\})[^}]*\}?/.exec(template)?.[0];
  if (strange) return `holds ${strange}; the only placeholder there is is {number}`;
  const address = addressFor(template, '1'.repeat(LONGEST_NUMBER));
  if (address.length > LONGEST_ADDRESS) return `makes addresses of more than ${LONGEST_ADDRESS} characters`;
  return ADDRESS.test(address) ? null : 'does not make an e-mail address';
}
