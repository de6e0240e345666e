// Every decoder and parser of a mail takes bounded time and memory per byte of its input, whatever the bytes are.
import { describe, expect, test } from 'vitest';
import { octets, PLAIN } from '../../../../test/fixtures/mail.js';
import { FULL_BUDGET } from './read-mail.js';
import { scanMail } from './scan.js';
import { decodeTransfer } from './transfer.js';
import { takeUuencoded } from './uuencode.js';

/** CPU time that any input may take, ms: what a slow machine needs for the first run of cold code. */
const BASE_MS = 150;
/** CPU time per byte, ns. The decoders need 20 or less; one buffer per line or piece costs 400 and more. */
const NS_PER_BYTE = 200;
/** Bytes that stay allocated per byte of input: what was decoded, and never an object per line or piece. */
const BYTES_PER_BYTE = 4;
const TRIES = 3;

/** CPU time rather than elapsed time: other processes on the machine do not count. */
function measure<T>(work: () => T): { ms: number; held: number; result: T } {
  const before = process.memoryUsage();
  const from = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(from);
  const after = process.memoryUsage();
  const held = after.heapUsed + after.external - before.heapUsed - before.external;
  return { ms: (user + system) / 1000, held, result };
}

/** The best of a few runs: what the code itself takes, it takes every time. */
function staysBounded<T>(input: { length: number }, work: () => T): T {
  const limit = BASE_MS + (NS_PER_BYTE * input.length) / 1e6;
  const room = BYTES_PER_BYTE * input.length + 64 * 1024 * 1024;
  let run = measure(work);
  for (let tried = 1; (run.ms > limit || run.held > room) && tried < TRIES; tried++) run = measure(work);
  expect(run.ms).toBeLessThanOrEqual(limit);
  expect(run.held).toBeLessThanOrEqual(room);
  return run.result;
}

const MB = 1024 * 1024;
const bytes = (text: string) => Buffer.from(text, 'latin1');
/** `unit` over and over, 4 MB of it. */
const filled = (unit: string, before = '', after = '') =>
  bytes(before + unit.repeat(Math.ceil((4 * MB) / unit.length)) + after);

describe('uuencode', () => {
  test.each([
    ['empty lines', filled('\n', 'begin 644 a\n', 'end\n')],
    ['lines of one byte', filled('!a\n', 'begin 644 a\n', 'end\n')],
    ['lines that say 63 bytes and hold none', filled('_\n', 'begin 644 a\n', 'end\n')],
    ['lines of the empty sign', filled('`\r\n', 'begin 644 a\r\n', 'end\r\n')],
    ['lines of blanks', filled('    \n', 'begin 644 a\n', 'end\n')],
    ['nothing but headers', filled('begin 644 a\n', '', '\nend\n')],
    ['headers with one line each', filled('begin 644 a\n!a\n', '', '\nend\n')],
    ['files of nothing', filled('begin 644 a\n\nend\n')],
    ['one line without end', filled('!', 'begin 644 a\n', '\nend\n')],
    ['no end', filled('#0V%T\n', 'begin 644 a\n')],
  ])('%s', (_name, input) => {
    const { files } = staysBounded(input, () => takeUuencoded(input));
    const decoded = files.reduce((sum, file) => sum + file.bytes.length, 0);
    expect(decoded).toBeLessThanOrEqual(2 * input.length + MB);
  });
});

describe('transfer encodings', () => {
  test.each([
    ['padded pieces', 'base64', filled('A=')],
    ['padded pieces of one byte', 'base64', filled('QQ==')],
    ['padded pieces on lines of their own', 'base64', filled('QUI=\r\n')],
    ['padding only', 'base64', filled('=')],
    ['padding and blanks', 'base64', filled('= ', 'QUJD')],
    ['padding and blanks before a footer', 'base64', filled('= ', 'QUJD', '!')],
    ['a blank behind each character', 'base64', filled('A ')],
    ['a line end behind each character', 'base64', filled('A\r\n')],
    ['no character of the alphabet', 'base64', filled('!')],
    ['one line', 'base64', filled('QUJD')],
    ['soft line breaks only', 'quoted-printable', filled('=\r\n')],
    ['soft line breaks of blanks', 'quoted-printable', filled(' ', '=')],
    ['equals signs and blanks', 'quoted-printable', filled('= ')],
    ['equals signs and many blanks', 'quoted-printable', filled(`=${' '.repeat(10_000)}`)],
    ['equals signs only', 'quoted-printable', filled('=')],
    ['blanks only', 'quoted-printable', filled(' \t')],
    ['line ends only', 'quoted-printable', filled('\r\n')],
    ['carriage returns only', 'quoted-printable', filled('\r')],
    ['escapes only', 'quoted-printable', filled('=3D')],
  ] as const)('%s in %s', (_name, encoding, input) => {
    const decoded = staysBounded(input, () => decodeTransfer(input, encoding));
    expect(decoded.length).toBeLessThanOrEqual(input.length);
  });
});

describe('structure', () => {
  const multipart = (header: string) => octets(...PLAIN, `Content-Type: multipart/mixed; ${header}`, '', '');
  const parameters = 'a=b;'.repeat(2_000);
  test.each([
    ['header lines that begin with dashes', multipart(`boundary=b;${parameters}\r\n${'--a: b\r\n'.repeat(4_000)}`)],
    ['dashes without a boundary', multipart(`${parameters}\r\n${'--a: b\r\n'.repeat(4_000)}`)],
    ['a long boundary', multipart(`boundary="${'x'.repeat(8_000)}"\r\n${'--a: b\r\n'.repeat(4_000)}`)],
    ['folded dashes', multipart(`boundary=b;${parameters}\r\n${'X: y\r\n --\r\n--a: b\r\n'.repeat(2_000)}`)],
    ['many Content-Type fields', octets(...`Content-Type: ${parameters}\r\n--a: b\r\n`.repeat(500).split('\r\n'), '')],
  ])('%s', (_name, input) => {
    staysBounded(input, () => scanMail(input, FULL_BUDGET.scan));
  });

  test('dashes in the headers of 200 parts', () => {
    const part = `--b\r\nContent-Type: multipart/mixed; ${parameters}\r\n${'--a: b\r\n'.repeat(100)}\r\nx\r\n`;
    const input = Buffer.concat([multipart('boundary=b\r\n'), bytes(part.repeat(200))]);
    staysBounded(input, () => scanMail(input, FULL_BUDGET.scan));
  });
});
