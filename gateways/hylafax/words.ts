// Owns what goes into a line of HylaFAX's protocol, and what its refusals mean to people.
import { FTPError } from 'basic-ftp';
import { messageOf } from '../../src/driver/contract.js';

/** Code units of a text field of a job: hfaxd reads lines of 1,024 bytes. */
const LONGEST_TEXT = 200;
/** What a dial string may be made of; nothing else gets into one, least of all the end of the line. */
const DIALABLE = /^\+?[\d*#,-]{1,60}$/;

/** Whether it is a number that can be dialled. */
export function isDialable(number: string): boolean {
  return DIALABLE.test(number) && /\d/.test(number);
}

/** A string parameter: in quotes, with quotes and backslashes escaped and control characters as blanks. */
export function quoted(text: string): string {
  const plain = text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, LONGEST_TEXT)
    .replace(/[\uD800-\uDBFF]$/, '');
  return `"${plain.replace(/["\\]/g, '\\$&')}"`;
}

/** An answer of the server that says no. */
export function refusal(error: unknown): FTPError | undefined {
  return error instanceof FTPError ? error : undefined;
}

/** 4xx says "not now" (RFC 959, 4.2.1), and so does everything that is no answer. */
export function isTemporary(error: unknown): boolean {
  return (refusal(error)?.code ?? 0) < 500;
}

/** One sentence about anything that went wrong on the way to the server or was refused there. */
export function reasonOf(error: unknown): string {
  return messageOf(error)
    .replace(/\s+/g, ' ')
    .replace(/ \((control|data) socket\)/, '')
    .replace(/\.$/, '');
}

/** One line without control characters, for the delivery log. */
export function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
}
