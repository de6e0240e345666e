// What becomes of the provider's mails: documents by what they are, several in one, none at all, results of sent faxes,
// and mails that mean harm.
import { describe, expect, it } from 'vitest';
import type { DeliveryReceipt, Driver, FaxDocument, InboundMessage, RawMail } from '../../src/driver/contract.js';
import { setting, settingsSchema, z } from '../../src/driver/settings.js';
import { contextOf } from '../../test/conformance/context.js';
import { createDriverState, type TestDriverState } from '../../test/fixtures/driver-state.js';
import { type ProviderMail, providerMail } from '../../test/fixtures/provider-mail.js';
import { faxMail } from './driver.js';
import { tokenOf } from './token.js';

const TIFF = Buffer.from('II*\0 pages of a fax');
const PDF = Buffer.from('%PDF-1.4 pages of a fax');
const file = (name: string, bytes: Uint8Array, type = 'application/octet-stream') => ({ name, type, bytes });
const GATEWAY = '11111111-2222-4333-8444-555555555555';

/** A mailbox that holds these mails and then ends. What happened to each is in `events`. */
function boxOf(mails: readonly (Buffer | RawMail)[], events: string[]): Driver {
  async function* receive(): AsyncGenerator<InboundMessage> {
    for (const [at, mail] of mails.entries()) {
      const content = Buffer.isBuffer(mail) ? { kind: 'mail' as const, raw: mail, receivedAt: 1_000 } : mail;
      const say = (word: string) => async () => void events.push(`${word} ${at}`);
      const verdicts = { confirm: say('confirm'), reject: say('reject') };
      yield { key: `box;UID=${at}`, fingerprint: `f${at}`, content, bytes: content.raw.byteLength, ...verdicts };
    }
  }
  return {
    device: 'TestBox',
    channel: 'Email',
    summary: 'A mailbox of a test.',
    settings: settingsSchema({ Name: setting(z.string(), { description: 'A word.', example: 'x' }) }),
    open: async () => ({}),
    close: async () => {},
    check: async function* () {},
    receive,
  };
}

interface Run {
  readonly inboundMessages: AsyncIterator<InboundMessage<FaxDocument>>;
  readonly events: readonly string[];
  readonly receipts: readonly DeliveryReceipt[];
  readonly stop: AbortController;
}

async function run(
  mails: readonly (Buffer | RawMail)[],
  written: object = {},
  driverState = createDriverState(),
): Promise<Run> {
  const events: string[] = [];
  const receipts: DeliveryReceipt[] = [];
  const driver = faxMail({ mailbox: boxOf(mails, events) });
  const context = contextOf(driver, { Mailbox: { Name: 'fax' }, ...written }, { driverState, receipts });
  const stop = new AbortController();
  const receiving = driver.receive?.(await driver.open(context), stop.signal);
  if (!receiving) throw new Error('it does not receive');
  return { inboundMessages: receiving[Symbol.asyncIterator](), events, receipts, stop };
}

/** All that come, each confirmed at once. */
async function all(mails: readonly (Buffer | RawMail)[], written: object = {}, driverState?: TestDriverState) {
  const { inboundMessages, events, receipts } = await run(mails, written, driverState);
  const came: InboundMessage<FaxDocument>[] = [];
  for (let next = await inboundMessages.next(); !next.done; next = await inboundMessages.next()) {
    came.push(next.value);
    await next.value.confirm();
  }
  return { came, faxes: came.map(({ content }) => content), events, receipts };
}

async function one(mail: ProviderMail, written: object = {}): Promise<FaxDocument> {
  const { faxes } = await all([providerMail(mail)], written);
  const [fax] = faxes;
  if (faxes.length !== 1 || !fax) throw new Error(`${faxes.length} faxes came`);
  return fax;
}

describe('the document', () => {
  it('is known by its first bytes, whatever its name and type say', async () => {
    const logo = file('fax.pdf', Buffer.from('\x89PNG a logo'), 'application/pdf');
    const fax = await one({ subject: 'Fax', files: [logo, file('logo.gif', TIFF, 'image/gif')] });
    expect(Buffer.from(fax.raw)).toEqual(TIFF);
    expect(fax.notes.join(' ')).toContain('"fax.pdf", which is no fax');
  });

  it('is the TIFF when the same fax is there as PDF, too', async () => {
    const fax = await one({ subject: 'Fax', files: [file('F7.PDF', PDF), file('f7.tif', TIFF)] });
    expect(Buffer.from(fax.raw)).toEqual(TIFF);
  });

  it('comes with what the rules find, own ones before those of the provider', async () => {
    const subject = 'eFax message from "ACME" - 2 page(s), Caller-ID: 1-555-701-0200';
    const Rules = { Headers: { 'X-Number': '{from}', 'X-Fax-Id': '{id}' }, Text: ['Expected: {expected}'] };
    const headers = { 'X-Number': '+1 555 999 0000', 'x-fax-id': 'job-7' };
    const mail = { subject, headers, text: 'Expected: 3', files: [file('a.pdf', PDF)] };
    expect(await one(mail, { Provider: 'eFax', Rules })).toMatchObject({
      from: '+1 555 999 0000',
      station: 'ACME',
      pages: 2,
      expectedPages: 3,
      providerId: 'job-7',
      problem: null,
      receivedAt: 1_000,
    });
  });

  it('says nothing of its caller when the mail is not from one of the Senders', async () => {
    const mail = { subject: 'Fax von 03012345', files: [file('a.pdf', PDF)] };
    const settings = { Provider: 'FritzBox', Senders: ['@box.example', 'fax@provider.example'] };
    expect(await one(mail, settings)).toMatchObject({ from: '03012345' });
    const forged = await one({ ...mail, from: 'fax@provider.example.evil.test' }, settings);
    expect(forged.from).toBeNull();
    expect(forged.notes.join(' ')).toContain('not from one of the Senders');
    expect(Buffer.from(forged.raw)).toEqual(PDF);
  });
});

describe('several faxes in one mail', () => {
  const mail = providerMail({
    subject: 'Faxes',
    files: [
      file('1.pdf', PDF),
      file('2.pdf', Buffer.from('%PDF-1.4 second')),
      file('3.pdf', Buffer.from('%PDF-1.4 third')),
    ],
  });
  const keys = ['box;UID=0;FAX=1', 'box;UID=0;FAX=2', 'box;UID=0'];

  it('become a message each, in their order, and the mail counts as taken with the last one', async () => {
    const { inboundMessages, events } = await run([mail]);
    const took = [await inboundMessages.next(), await inboundMessages.next()];
    const last = inboundMessages.next();
    await took[0]?.value.confirm();
    expect(events).toEqual([]);
    let came = false;
    void last.then(() => (came = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(came).toBe(false);
    await took[1]?.value.refuse('quarantine');
    took.push(await last);
    expect(took.map(({ value }) => value.key)).toEqual(keys);
    expect(took.map(({ value }) => Buffer.from(value.content.raw).toString())).toEqual([
      PDF.toString(),
      '%PDF-1.4 second',
      '%PDF-1.4 third',
    ]);
    expect(events).toEqual([]);
    await took[2]?.value.confirm();
    expect(events).toEqual(['confirm 0']);
  });

  it('are finished after a crash where it came, and none comes twice', async () => {
    const driverState = createDriverState();
    driverState.set('box;UID=0;FAX=1', 'confirmed');
    driverState.set('box;UID=0;FAX=2', 'acknowledged');
    const { came } = await all([mail], {}, driverState);
    expect(came.map(({ key, content }) => [key, content === null])).toEqual([
      ['box;UID=0;FAX=2', true],
      ['box;UID=0', false],
    ]);
  });

  it('hold nothing up once the gateway is stopped', async () => {
    const { inboundMessages, stop } = await run([mail]);
    await inboundMessages.next();
    await inboundMessages.next();
    const waiting = inboundMessages.next();
    stop.abort(new Error('stopped'));
    expect(await waiting).toMatchObject({ done: true });
  });
});

describe('a mail without a fax', () => {
  it('is shown as a page, with what the rules find', async () => {
    const mail = { subject: 'New Fax Message from (469) 555-0101 on Sunday', text: 'Pages: 5\nPlease log in.' };
    const fax = await one(mail, { Provider: 'RingCentral' });
    expect(Buffer.from(fax.raw).subarray(0, 5).toString()).toBe('%PDF-');
    expect(fax).toMatchObject({ from: '(469) 555-0101', pages: null });
    expect(fax.notes[0]).toContain('held no fax');
  });

  it('is one, too, when only its beginning was fetched', async () => {
    const raw = providerMail({ subject: 'Fax von 03012345', files: [file('a.pdf', PDF)] });
    const cut = { size: 99_000_000, reason: 'The mail is over the limit; the whole stays in the mailbox.' };
    const { faxes } = await all([{ kind: 'mail', raw, receivedAt: 1, cut }], { Provider: 'FritzBox' });
    expect(faxes[0]).toMatchObject({ from: '03012345', notes: expect.arrayContaining([cut.reason]) });
    expect(Buffer.from(faxes[0]?.raw ?? []).includes(PDF)).toBe(false);
  });

  it.each([
    ['no mail at all', Buffer.from([0, 255, 13, 10, 13, 10, 7])],
    ['empty', Buffer.alloc(0)],
    [
      'thousands of parts',
      Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(5_000)}`),
    ],
    ['unclosed tags', providerMail({ subject: 'x', html: '<b'.repeat(300_000) })],
    ['nested styles', providerMail({ subject: 'x', html: '<style>'.repeat(100_000) })],
  ])('is one, too, when it is %s', async (_, raw) => {
    const { faxes, events } = await all([raw]);
    expect(faxes).toHaveLength(1);
    expect(
      Buffer.from(faxes[0]?.raw ?? [])
        .subarray(0, 5)
        .toString(),
    ).toBe('%PDF-');
    expect(events).toEqual(['confirm 0']);
  });
});

describe('a mail about a fax that was sent', () => {
  const token = tokenOf(GATEWAY, 'order-1');
  const settings = { Results: { Delivered: ['sent successfully'], Failed: ['not sent successfully', 'gave up'] } };
  const about = (subject: string, text: string) =>
    providerMail({
      subject,
      text,
      headers: { 'In-Reply-To': `<${token}@example.com>` },
      files: [file('copy.pdf', PDF)],
    });

  it('is news of its order and no fax, even with a copy of the pages', async () => {
    const driverState = createDriverState();
    const { faxes, receipts, events } = await all(
      [about('Fax result', 'Your fax was sent successfully.')],
      settings,
      driverState,
    );
    expect(faxes).toEqual([]);
    expect(receipts).toEqual([
      { id: token, state: 'delivered', at: 1_000, detail: 'Fax result; Your fax was sent successfully.' },
    ]);
    expect(driverState.state('box;UID=0')).toBe('ignored');
    expect(events).toEqual(['confirm 0']);
  });

  it('tells a failure, also where that holds the words of success', async () => {
    const { receipts } = await all([about('Result', 'Your fax was not sent successfully: busy')], settings);
    expect(receipts).toMatchObject([{ state: 'undelivered', detail: expect.stringContaining('busy') }]);
  });

  const report = (action: string) =>
    Buffer.from(
      [
        'From: MAILER-DAEMON@mx.example.com',
        'Subject: About your mail',
        'Content-Type: multipart/report; report-type=delivery-status; boundary=r',
        '',
        '--r\r\n\r\nNo such number.',
        `--r\r\nContent-Type: message/delivery-status\r\n\r\nAction: ${action}\r\nStatus: 5.1.1\r\n`,
        `--r\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <${token}@example.com>\r\n`,
        '--r--\r\n',
      ].join('\r\n'),
    );

  it("is a failure when it is a mail server's report that our mail came back", async () => {
    const { receipts, faxes } = await all([report('failed')]);
    expect(receipts).toMatchObject([
      { id: token, state: 'undelivered', detail: expect.stringContaining('No such number') },
    ]);
    expect(faxes).toEqual([]);
  });

  it.each(['delayed', 'delivered', 'relayed'])(
    "is no end when a mail server's report says that our mail was %s: that is not the fax",
    async (action) => {
      const { receipts, faxes } = await all([report(action)]);
      expect(receipts).toMatchObject([{ id: token, state: 'accepted', progress: true }]);
      expect(faxes).toHaveLength(1);
    },
  );

  it('is progress, and shown all the same, when nobody said what its words mean', async () => {
    const { receipts, faxes } = await all([about('We have your fax', 'It is in the queue.')], settings);
    expect(receipts).toMatchObject([{ id: token, state: 'accepted', progress: true }]);
    expect(faxes).toHaveLength(1);
  });

  it('is known by a word that shows nothing of order and gateway, and is another one for each', () => {
    const heads = [tokenOf(GATEWAY, 'order-1'), tokenOf(GATEWAY, 'order-2'), tokenOf('another', 'order-1')].map(
      (word) => word.slice(0, 'fax.'.length + 24),
    );
    expect(new Set(heads).size).toBe(3);
    const plain = [Buffer.from('order-1').toString('hex'), GATEWAY.slice(0, 8)];
    expect(plain.filter((word) => token.includes(word))).toEqual([]);
  });

  it('of another gateway is a mail like any other', async () => {
    const strange = tokenOf('99999999-2222-4333-8444-555555555555', 'order-1');
    const mail = providerMail({ subject: `sent successfully ${strange}`, files: [file('a.pdf', PDF)] });
    const { receipts, faxes } = await all([mail], settings);
    expect(receipts).toEqual([]);
    expect(faxes).toHaveLength(1);
  });

  it('is not lost when the news cannot be journaled: nothing is confirmed', async () => {
    const events: string[] = [];
    const driver = faxMail({ mailbox: boxOf([about('Result', 'sent successfully')], events) });
    const context = contextOf(driver, { Mailbox: { Name: 'fax' }, ...settings }, { driverState: createDriverState() });
    const failing = { ...context, report: () => Promise.reject(new Error('the disk is full')) };
    const inboundMessages = driver.receive?.(await driver.open(failing), new AbortController().signal);
    await expect(inboundMessages?.[Symbol.asyncIterator]().next()).rejects.toThrow('the disk is full');
    expect(events).toEqual([]);
  });
});
