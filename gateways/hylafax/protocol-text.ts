import { FTPError } from 'basic-ftp';
import { GatepostError, messageOf } from '../../src/driver/contract.js';
import { connectionFault, describeConnectionError } from '../../src/driver/shared/connection-faults.js';

/** Code units of a text field of a job: hfaxd reads lines of 1,024 bytes. */
const MAX_TEXT = 200;
/** A dial string holds nothing else, so a number cannot end the protocol line. */
const DIALABLE = /^\+?[\d*#,-]{1,60}$/;

export function isDialable(number: string): boolean {
  return DIALABLE.test(number) && /\d/.test(number);
}

/** A string parameter: quotes and backslashes escaped, control characters replaced by blanks. */
export function quoted(text: string): string {
  const plain = text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, MAX_TEXT)
    .replace(/[\uD800-\uDBFF]$/, '');
  return `"${plain.replace(/["\\]/g, '\\$&')}"`;
}

/** The error, when it is a negative reply of the server. */
export function refusal(error: unknown): FTPError | undefined {
  return error instanceof FTPError ? error : undefined;
}

/** A 4xx reply is temporary (RFC 959, 4.2.1), and so is every failure without a reply. */
export function isTemporary(error: unknown): boolean {
  return (refusal(error)?.code ?? 0) < 500;
}

/** One sentence about a failed connection or a negative reply. */
export function reasonOf(error: unknown): string {
  const isFault = !(error instanceof GatepostError) && connectionFault(error) !== undefined;
  return (isFault ? describeConnectionError(error, 'HylaFAX') : messageOf(error))
    .replace(/\s+/g, ' ')
    .replace(/ \((control|data) socket\)/, '')
    .replace(/\.$/, '');
}

/** One line without control characters, for the delivery log. */
export function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
}

export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
