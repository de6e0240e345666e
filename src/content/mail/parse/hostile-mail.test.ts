// Mails built to harm: every one arrives, perhaps reduced and then with the reason, and nobody else waits for it.
// The worker thread runs the compiled files (npm test builds them first).
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, describe, expect, test } from 'vitest';
import { brokenPromises, context, mailOf, names, octets, ownText, PLAIN } from '../../../../test/fixtures/mail.js';
import { manualClock } from '../../../../test/fixtures/manual-clock.js';
import { sleep, systemClock } from '../../../kit/clock.js';
import { silentLog } from '../../../kit/log.js';
import { createReader } from '../../create-reader.js';
import type { ReadMessage } from '../../reader.js';

const reader = createReader({ clock: systemClock, log: silentLog });
afterAll(() => reader.close());

const mail = (type: string, body: string, ...headers: string[]) =>
  octets(...PLAIN, `Content-Type: ${type}`, ...headers, '', body);
const html = (body: string) => mail('text/html; charset=utf-8', body);

const LONGEST_STALL_MS = 50;
/** Other processes on the machine hold this one up, too. What the code itself does, it does every time. */
const TRIES = 10;

async function stallOf(work: () => Promise<ReadMessage>): Promise<{ stall: number; message: ReadMessage }> {
  const delay = monitorEventLoopDelay({ resolution: 2 });
  delay.enable();
  // The histogram begins to count with its second sample.
  await sleep(systemClock, 10);
  delay.reset();
  const message = await work();
  await sleep(systemClock, 6);
  delay.disable();
  return { stall: delay.max / 1e6, message };
}

/** Reads it without holding up the event loop, keeping every promise. */
async function readGently(raw: Buffer): Promise<ReadMessage> {
  let { stall, message } = await stallOf(() => reader.readMail(mailOf(raw), context));
  for (let tried = 1; stall > LONGEST_STALL_MS && tried < TRIES; tried++) {
    ({ stall, message } = await stallOf(() => reader.readMail(mailOf(raw), context)));
  }
  expect(stall).toBeLessThanOrEqual(LONGEST_STALL_MS);
  expect(brokenPromises(message)).toEqual([]);
  expect(message.message.RemoteAddress).toBe('ann@shop.example');
  expect(message.notes.join()).not.toContain('could not be read in full');
  return message;
}

function nested(depth: number): Buffer {
  const open = Array.from(
    { length: depth },
    (_, at) => `--b${at}\r\nContent-Type: multipart/mixed; boundary=b${at + 1}\r\n\r\n`,
  );
  const close = Array.from({ length: depth + 1 }, (_, at) => `--b${depth - at}--\r\n`);
  return mail('multipart/mixed; boundary=b0', `${open.join('')}--b${depth}\r\n\r\nat the bottom\r\n${close.join('')}`);
}

describe('HTML', () => {
  test.each([
    ['200,000 unclosed tags', '<b>'.repeat(200_000)],
    ['2,200 nested divs', '<div>'.repeat(2_200)],
    ['50,000 nested divs', '<div>'.repeat(50_000)],
    ['a million line breaks', '<br>'.repeat(1_000_000)],
    ['5.5 MB of flat HTML', '<p>hello <b>world</b></p>\n'.repeat(212_000)],
    ['a million "<"', '<'.repeat(1_000_000)],
    ['250,000 comments that never end', '<!--'.repeat(250_000)],
    ['100,000 attributes', `<a ${'x=y '.repeat(100_000)}>`],
    ['2 MB of style', `<p style="${'color:red;'.repeat(200_000)}">`],
    ['a word of 5 MB', 'x'.repeat(5_000_000)],
    ['as many tags as are read in the main thread', '<br>'.repeat(1_490)],
  ])('%s', async (_name, body) => {
    const message = await readGently(html(`<p>the beginning</p>${body}`));
    expect(message.message.BodyText).toMatch(/^the beginning/);
  });
});

describe('size', () => {
  test('20 MB of quoted-printable: the beginning shows, the whole is attached', async () => {
    const line = '=41=42=C3=BC some text here and there =\r\n';
    const message = await readGently(
      mail('text/plain; charset=utf-8', line.repeat(500_000), 'Content-Transfer-Encoding: quoted-printable'),
    );
    expect(message.message.BodyText).toMatch(/^ABü some text here and there ABü/);
    expect(names(message)).toEqual(['message.txt']);
    expect(message.attachments[0]?.bytes).toHaveLength(500_000 * 30);
  });

  test('an attachment of 25 MB arrives whole', async () => {
    const line = `${'QUJD'.repeat(19)}\r\n`;
    const file = `--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n${line.repeat(320_000)}`;
    const message = await readGently(mail('multipart/mixed; boundary=b', `--b\r\n\r\nhi\r\n${file}--b--\r\n`));
    expect(ownText(message)).toBe('hi');
    expect(message.attachments[0]?.bytes).toHaveLength(320_000 * 57);
  });

  test('20 MB in one line', async () => {
    const message = await readGently(mail('text/plain', 'x'.repeat(20_000_000)));
    expect(names(message)).toEqual(['message.txt']);
  });

  test('25 million empty lines', async () => {
    await readGently(mail('text/plain', '\n'.repeat(25_000_000)));
  });
});

describe('structure', () => {
  test.each([1_200, 3_000])('%i levels of parts: what lies too deep is attached as it came', async (depth) => {
    const message = await readGently(nested(depth));
    expect(names(message)).toEqual(['nested.eml']);
    expect(Buffer.from(message.attachments[0]?.bytes ?? []).toString()).toContain('at the bottom');
  });

  test('20,000 parts: the first 250 are read and the whole mail is attached', async () => {
    const raw = mail(
      'multipart/mixed; boundary=b',
      `${'--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n'.repeat(20_000)}--b--\r\n`,
    );
    const message = await readGently(raw);
    expect(ownText(message)).toMatch(/^hi\n\nhi/);
    expect(raw.equals(message.attachments.at(-1)?.bytes ?? Buffer.alloc(0))).toBe(true);
    expect(message.notes.join()).toContain('more than 250 parts');
  });

  test('a million lines that could be boundaries', async () => {
    const raw = mail('multipart/mixed; boundary=b', `--b\r\n\r\nhi\r\n${'--b \tx\r\n'.repeat(1_200_000)}--b--\r\n`);
    expect(ownText(await readGently(raw))).toMatch(/^hi/);
  });
});

describe('headers', () => {
  test.each([
    ['a field of 5 MB', `X-Long: ${'x'.repeat(5_000_000)}`],
    ['a subject of 5 MB', `Subject: ${'x'.repeat(5_000_000)}`],
    ['300,000 references', `References: ${'<abc@def.example> '.repeat(300_000)}`],
    ['100,000 recipients', `To: ${'a@b.example, '.repeat(100_000)}`],
    ['100,000 fields', 'X-A: b\r\n'.repeat(100_000).trimEnd()],
    ['100,000 To fields', 'To: a@b.example\r\n'.repeat(100_000).trimEnd()],
    [
      '60,000 quotes, brackets, commas, colons',
      `To: ${'"'.repeat(60_000)}\r\nCc: ${'('.repeat(60_000)}\r\nBcc: ${'a:b@c;'.repeat(10_000)}`,
    ],
    ['an encoded word without end', `Subject: ${'=?utf-8?q?'.repeat(20_000)}`],
    ['a subject folded 2,900 times', `Subject: x\r\n${' \tx\r\n'.repeat(2_900)}`.trimEnd()],
  ])('%s', async (_name, header) => {
    const message = await readGently(
      octets(...PLAIN.filter((line) => !/^(?:Subject|To):/.test(line)), header, '', 'the text'),
    );
    expect(ownText(message)).toBe('the text');
  });
});

describe('the worker', () => {
  const large = mail('text/plain', 'a line of text\r\n'.repeat(300_000));

  test('is ended when it takes too long; the mail arrives reduced, the original attached, and the next mail is read', async () => {
    const clock = manualClock();
    const patient = createReader({ clock, log: silentLog });
    const reading = patient.readMail(mailOf(large), context);
    await clock.waitForTimers(1);
    await clock.advance(10_000);
    const message = await reading;
    expect(message.notes.join()).toContain('took longer than 10 s');
    expect(ownText(message)).toMatch(/^a line of text\n/);
    expect(names(message)).toEqual(['original.eml']);
    expect(large.equals(message.attachments[0]?.bytes ?? Buffer.alloc(0))).toBe(true);
    expect(brokenPromises(message)).toEqual([]);
    expect(clock.armed).toBe(0);
    expect(names(await patient.readMail(mailOf(large), context))).toEqual(['message.txt']);
    await patient.close();
    expect(clock.armed).toBe(0);
  });

  test('that runs out of memory takes nobody with it', async () => {
    const poor = createReader({ clock: systemClock, log: silentLog, budgets: { workerHeapMb: 12 } });
    const message = await poor.readMail(mailOf(html('<i>x</i>'.repeat(400_000))), context);
    expect(message.notes.join()).toMatch(/memory/);
    expect(names(message)).toEqual(['original.eml']);
    await poor.close();
  });

  test('reads several large mails one after the other, and leaves the bytes it was given alone', async () => {
    const before = Buffer.from(large);
    const messages = await Promise.all(Array.from({ length: 4 }, () => reader.readMail(mailOf(large), context)));
    for (const message of messages) expect(names(message)).toEqual(['message.txt']);
    expect(large.equals(before)).toBe(true);
  });

  test('a closed reader says so instead of delivering a reduced mail', async () => {
    const closed = createReader({ clock: systemClock, log: silentLog });
    const reading = closed.readMail(mailOf(large), context);
    const outcome = expect(reading).rejects.toMatchObject({ code: 'content/closed' });
    await closed.close();
    await outcome;
    await closed.close();
    await expect(closed.readMail(mailOf(large), context)).rejects.toMatchObject({ code: 'content/closed' });
  });
});
