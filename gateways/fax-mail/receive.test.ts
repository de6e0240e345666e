// What the driver makes of the provider's mails: faxes, several in one mail, none, results of sent faxes, and hostile mails.
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

/** A mailbox that offers these mails and then ends. `fails` makes the first event of that name fail. */
function boxOf(
  mails: readonly (Buffer | RawMail)[],
  events: string[],
  fails: (event: string) => boolean = () => false,
): Driver {
  async function* receive(): AsyncGenerator<InboundMessage> {
    for (const [at, mail] of mails.entries()) {
      const content = Buffer.isBuffer(mail) ? { kind: 'mail' as const, raw: mail, receivedAt: 1_000 } : mail;
      const note = (word: string) => async () => {
        const event = `${word} ${at}`;
        const first = !events.includes(event);
        events.push(event);
        if (first && fails(event)) throw new Error('the mailbox is away');
      };
      const endings = { confirm: note('confirm'), reject: note('reject') };
      yield { key: `box;UID=${at}`, fingerprint: `f${at}`, content, bytes: content.raw.byteLength, ...endings };
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
  readonly messages: AsyncIterator<InboundMessage<FaxDocument>>;
  readonly events: readonly string[];
  readonly receipts: readonly DeliveryReceipt[];
  readonly stop: AbortController;
}

async function run(
  mails: readonly (Buffer | RawMail)[],
  written: object = {},
  driverState = createDriverState(),
  fails?: (event: string) => boolean,
): Promise<Run> {
  const events: string[] = [];
  const receipts: DeliveryReceipt[] = [];
  const driver = faxMail({ mailbox: boxOf(mails, events, fails) });
  const context = contextOf(driver, { Mailbox: { Name: 'fax' }, ...written }, { driverState, receipts });
  const stop = new AbortController();
  const receiving = driver.receive?.(await driver.open(context), stop.signal);
  if (!receiving) throw new Error('the driver does not receive');
  return { messages: receiving[Symbol.asyncIterator](), events, receipts, stop };
}

/** All faxes, each confirmed at once. */
async function all(mails: readonly (Buffer | RawMail)[], written: object = {}, driverState?: TestDriverState) {
  const { messages, events, receipts } = await run(mails, written, driverState);
  const came: InboundMessage<FaxDocument>[] = [];
  for (let next = await messages.next(); !next.done; next = await messages.next()) {
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
  it('is recognized by its first bytes, whatever its name and type', async () => {
    const logo = file('fax.pdf', Buffer.from('\x89PNG a logo'), 'application/pdf');
    const fax = await one({ subject: 'Fax', files: [logo, file('logo.gif', TIFF, 'image/gif')] });
    expect(Buffer.from(fax.raw)).toEqual(TIFF);
    expect(fax.notes.join(' ')).toContain('"fax.pdf", which is no fax');
  });

  it('is the TIFF when the mail holds the same fax as PDF, too', async () => {
    const fax = await one({ subject: 'Fax', files: [file('F7.PDF', PDF), file('f7.tif', TIFF)] });
    expect(Buffer.from(fax.raw)).toEqual(TIFF);
  });

  it('has the values that the rules extract, configured rules before those of the provider', async () => {
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

  it('has no caller when the mail is not from one of the Senders', async () => {
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
  const keys = ['box;UID=0;FAX=1', 'box;UID=0;FAX=2', 'box;UID=0;FAX=3'];
  const next = async ({ messages }: Run) => {
    const { value }: { value: InboundMessage<FaxDocument> } = await messages.next();
    return value;
  };

  it('become a message each, in their order, and the last confirmation confirms the mail', async () => {
    const driverState = createDriverState();
    const running = await run([mail], {}, driverState);
    const faxes = [await next(running), await next(running), await next(running)];
    expect(faxes.map(({ key }) => key)).toEqual(keys);
    expect(faxes.map(({ content }) => Buffer.from(content?.raw ?? []).toString())).toEqual([
      PDF.toString(),
      '%PDF-1.4 second',
      '%PDF-1.4 third',
    ]);
    await faxes[2]?.confirm();
    await faxes[0]?.confirm();
    expect(running.events).toEqual([]);
    await faxes[1]?.confirm();
    expect(running.events).toEqual(['confirm 0']);
    expect(driverState.state('box;UID=0')).toBe('skipped');
  });

  it('do not block the mails behind', async () => {
    const behind = providerMail({ subject: 'Fax', files: [file('4.pdf', Buffer.from('%PDF-1.4 fourth'))] });
    const running = await run([mail, behind]);
    for (const key of keys) expect((await next(running)).key).toBe(key);
    expect((await next(running)).key).toBe('box;UID=1');
    expect(running.events).toEqual([]);
  });

  it('reject the mail when one of them is in quarantine, and the mailbox may offer the mail again', async () => {
    const driverState = createDriverState();
    const running = await run([mail], {}, driverState);
    const faxes = [await next(running), await next(running), await next(running)];
    await faxes[1]?.reject('the server rejects the message');
    await faxes[0]?.confirm();
    await faxes[2]?.confirm();
    expect(running.events).toEqual(['reject 0']);
    expect(driverState.state('box;UID=0')).toBeUndefined();
  });

  it('confirm the mail again when its confirmation failed', async () => {
    const running = await run([mail], {}, createDriverState(), (event) => event === 'confirm 0');
    const faxes = [await next(running), await next(running), await next(running)];
    await faxes[0]?.confirm();
    await faxes[1]?.confirm();
    await expect(faxes[2]?.confirm()).rejects.toThrow('the mailbox is away');
    await faxes[2]?.confirm();
    expect(running.events).toEqual(['confirm 0', 'confirm 0']);
  });

  it('are finished after a crash, and none comes twice', async () => {
    const driverState = createDriverState();
    driverState.set('box;UID=0;FAX=1', 'confirmed');
    driverState.set('box;UID=0;FAX=2', 'acknowledged');
    const { came, events } = await all([mail], {}, driverState);
    expect(came.map(({ key, content }) => [key, content === null])).toEqual([
      ['box;UID=0;FAX=2', true],
      ['box;UID=0;FAX=3', false],
    ]);
    expect(events).toEqual(['confirm 0']);
  });

  it('confirm the mail when a crash came between the last fax and the mail', async () => {
    const driverState = createDriverState();
    for (const key of keys) driverState.set(key, 'confirmed');
    const { came, events } = await all([mail], {}, driverState);
    expect(came).toEqual([]);
    expect(events).toEqual(['confirm 0']);
    expect(driverState.state('box;UID=0')).toBe('skipped');
  });

  it('a fax that the previous version opened under the key of the mail keeps that key', async () => {
    const driverState = createDriverState();
    driverState.set('box;UID=0;FAX=1', 'confirmed');
    driverState.set('box;UID=0;FAX=2', 'confirmed');
    driverState.set('box;UID=0', 'pending');
    const { came } = await all([mail], {}, driverState);
    expect(came.map(({ key }) => key)).toEqual(['box;UID=0']);
  });
});

describe('a mail without a fax', () => {
  it('becomes a page with its text and the values that the rules extract', async () => {
    const mail = { subject: 'New Fax Message from (469) 555-0101 on Sunday', text: 'Pages: 5\nPlease log in.' };
    const fax = await one(mail, { Provider: 'RingCentral' });
    expect(Buffer.from(fax.raw).subarray(0, 5).toString()).toBe('%PDF-');
    expect(fax).toMatchObject({ from: '(469) 555-0101', pages: null });
    expect(fax.notes[0]).toContain('held no fax');
  });

  it('is also a mail of which only the beginning was fetched', async () => {
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
  ])('is also a mail that is %s', async (_, raw) => {
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
  const token = tokenOf(GATEWAY, 'message-1');
  const settings = { Results: { Delivered: ['sent successfully'], Failed: ['not sent successfully', 'gave up'] } };
  const about = (subject: string, text: string) =>
    providerMail({
      subject,
      text,
      headers: { 'In-Reply-To': `<${token}@example.com>` },
      files: [file('copy.pdf', PDF)],
    });

  it('becomes a receipt and no fax, even with a copy of the pages', async () => {
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
    expect(driverState.state('box;UID=0')).toBe('skipped');
    expect(events).toEqual(['confirm 0']);
  });

  it('reports a failure, also where its text contains the words of success', async () => {
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

  it("is a failure when it is a mail server's failure report", async () => {
    const { receipts, faxes } = await all([report('failed')]);
    expect(receipts).toMatchObject([
      { id: token, state: 'undelivered', detail: expect.stringContaining('No such number') },
    ]);
    expect(faxes).toEqual([]);
  });

  it.each(['delayed', 'delivered', 'relayed'])(
    'is no final result when a mail server reports the sent mail as %s: that is not the fax',
    async (action) => {
      const { receipts, faxes } = await all([report(action)]);
      expect(receipts).toMatchObject([{ id: token, state: 'accepted', progress: true }]);
      expect(faxes).toHaveLength(1);
    },
  );

  it('is progress and a fax when no Results word matches', async () => {
    const { receipts, faxes } = await all([about('We have your fax', 'It is in the queue.')], settings);
    expect(receipts).toMatchObject([{ id: token, state: 'accepted', progress: true }]);
    expect(faxes).toHaveLength(1);
  });

  it('is recognized by a token that reveals neither message nor gateway, and differs for each', () => {
    const heads = [tokenOf(GATEWAY, 'message-1'), tokenOf(GATEWAY, 'message-2'), tokenOf('another', 'message-1')].map(
      (word) => word.slice(0, 'fax.'.length + 24),
    );
    expect(new Set(heads).size).toBe(3);
    const plain = [Buffer.from('message-1').toString('hex'), GATEWAY.slice(0, 8)];
    expect(plain.filter((word) => token.includes(word))).toEqual([]);
  });

  it('of another gateway is an ordinary mail', async () => {
    const other = tokenOf('99999999-2222-4333-8444-555555555555', 'message-1');
    const mail = providerMail({ subject: `sent successfully ${other}`, files: [file('a.pdf', PDF)] });
    const { receipts, faxes } = await all([mail], settings);
    expect(receipts).toEqual([]);
    expect(faxes).toHaveLength(1);
  });

  it('is not confirmed when the receipt cannot be stored', async () => {
    const events: string[] = [];
    const driver = faxMail({ mailbox: boxOf([about('Result', 'sent successfully')], events) });
    const context = contextOf(driver, { Mailbox: { Name: 'fax' }, ...settings }, { driverState: createDriverState() });
    const failing = { ...context, reportReceipts: () => Promise.reject(new Error('the disk is full')) };
    const messages = driver.receive?.(await driver.open(failing), new AbortController().signal);
    await expect(messages?.[Symbol.asyncIterator]().next()).rejects.toThrow('the disk is full');
    expect(events).toEqual([]);
  });
});
