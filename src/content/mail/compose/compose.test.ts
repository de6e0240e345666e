import fc from 'fast-check';
import { type ParsedMail, simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import type { MessageContentInfo } from '../../../model/message.js';
import { shortId } from '../../threading.js';
import { type ComposeOptions, composeMail } from './compose.js';

const NOW = Date.UTC(2026, 10, 22, 10, 15, 30);
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const sendRequest = (changes: Partial<MessageContentInfo> = {}): MessageContentInfo => ({
  MessageId: '3f2504e0-4f89-11d3-9a0c-0305e82c3301',
  DeliverySystemId: 'proposal.1@desk.example',
  GatewayId: '0d2a6b1e-0000-4000-8000-000000000001',
  FromField: 'Info Desk <info@desk.example>',
  RemoteAddress: 'jana@customer.example',
  ToField: 'Jana Nováková <jana@customer.example>',
  SubjectField: 'Re: Dotaz č. 5',
  BodyText: 'Dobrý den,\nděkujeme.',
  BodyHtml: '<p>Dobrý den,<br>děkujeme.</p>',
  ...changes,
});

const options = (changes: Partial<ComposeOptions> = {}): ComposeOptions => ({
  sender: {},
  gatewayName: 'Desk',
  thread: null,
  now: NOW,
  ...changes,
});

async function composed(changes: Partial<MessageContentInfo> = {}, more: Partial<ComposeOptions> = {}) {
  const result = await composeMail(sendRequest(changes), options(more));
  if (!result.ok) throw new Error(result.problem);
  const raw = Buffer.from(result.mail.raw).toString('latin1');
  const parsed = await simpleParser(Buffer.from(result.mail.raw), { keepCidLinks: true });
  return { ...result, raw, head: raw.slice(0, raw.indexOf('\r\n\r\n')), parsed };
}

async function problem(changes: Partial<MessageContentInfo>, more: Partial<ComposeOptions> = {}): Promise<string> {
  const result = await composeMail(sendRequest(changes), options(more));
  return result.ok ? '' : result.problem;
}

const addresses = (field: ParsedMail['to']) =>
  [field ?? []].flat().flatMap(({ value }) => value.map(({ name, address }) => ({ name, address })));

describe('a composed mail', () => {
  it('reads back as it was ordered: text, HTML, subject, addresses, date', async () => {
    const { parsed, head } = await composed();
    expect(parsed.text?.trim()).toBe('Dobrý den,\nděkujeme.');
    expect(parsed.html).toBe('<p>Dobrý den,<br>děkujeme.</p>');
    expect(parsed.subject).toBe('Re: Dotaz č. 5');
    expect(addresses(parsed.from)).toEqual([{ name: 'Info Desk', address: 'info@desk.example' }]);
    expect(addresses(parsed.to)).toEqual([{ name: 'Jana Nováková', address: 'jana@customer.example' }]);
    expect(parsed.date?.getTime()).toBe(NOW);
    expect(head).toContain('Content-Type: multipart/alternative');
  });

  it('has exactly the headers that belong there', async () => {
    const { head } = await composed(
      { ToCcField: 'cc@customer.example' },
      { thread: { messageId: '<q@c.example>', references: '<q@c.example>' } },
    );
    const names = head
      .replace(/\r\n[ \t]+/g, ' ')
      .split('\r\n')
      .map((line) => line.slice(0, line.indexOf(':')));
    expect(names.sort()).toEqual(
      [
        'Cc',
        'Content-Type',
        'Date',
        'From',
        'In-Reply-To',
        'MIME-Version',
        'Message-ID',
        'References',
        'Subject',
        'To',
      ].sort(),
    );
  });

  it('is the same bytes at every attempt', async () => {
    const once = await composed({ BodyHtml: `<img src="data:image/png;base64,${PIXEL}">` });
    const again = await composed({ BodyHtml: `<img src="data:image/png;base64,${PIXEL}">` });
    expect(again.raw).toBe(once.raw);
  });

  it('has CRLF line ends only, and no line longer than 998 characters', async () => {
    const text = `a\nb\r\nc\rd ${'x'.repeat(3_000)}\n.\n`;
    for (const body of [{ BodyText: text }, { BodyText: text.replaceAll('x', 'ž') }, { BodyText: 'a\nb\rc' }]) {
      const { raw } = await composed({
        ...body,
        BodyHtml: `<p>${text}</p>`,
        SubjectField: `${'ž'.repeat(320)} ${'y'.repeat(320)}`,
      });
      expect(raw.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
      expect(Math.max(...raw.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998);
    }
  });

  it('is plain text when only text was ordered', async () => {
    const { parsed, head } = await composed({ BodyHtml: null });
    expect(head).toContain('Content-Type: text/plain; charset=utf-8');
    expect(parsed.text?.trim()).toBe('Dobrý den,\nděkujeme.');
    expect(parsed.html).toBeFalsy();
  });

  it('has the text of the HTML beside it when only HTML was ordered', async () => {
    const { parsed } = await composed({
      BodyText: ' ',
      BodyHtml: '<p>See <a href="https://desk.example/x">here</a></p>',
    });
    expect(parsed.text?.trim()).toBe('See here [https://desk.example/x]');
    expect(parsed.html).toBe('<p>See <a href="https://desk.example/x">here</a></p>');
  });

  it('may have an empty body or an empty subject, but not both', async () => {
    expect((await composed({ BodyText: null, BodyHtml: null })).parsed.subject).toBe('Re: Dotaz č. 5');
    expect((await composed({ SubjectField: null })).head).not.toContain('Subject:');
    expect(await problem({ BodyText: ' \n', BodyHtml: '', SubjectField: ' ' })).toBe(
      'the send request has neither a subject nor a body: there is nothing to send',
    );
  });

  it('is refused beyond the size that mail servers take, before and after encoding', async () => {
    expect(await problem({ BodyText: 'x'.repeat(25_000_001) })).toBe(
      'the mail would have 26 MB; at most 25 MB are sent',
    );
    expect(await problem({ BodyText: 'ž'.repeat(9_500_000), BodyHtml: null })).toMatch(/^the mail would have \d+ MB/);
  });
});

describe('the agent’s HTML', () => {
  const html = async (written: string) => (await composed({ BodyHtml: written })).parsed.html;

  it('is sent as it was written', async () => {
    const written =
      '<html><head><style>p > b { color: red }</style></head><body class="x"><!--[if mso]><p>Outlook</p><![endif]--><p id=a title=\'"\'>1 &lt; 2</p></body></html>';
    expect(await html(written)).toBe(written);
  });

  it('loses scripts, handlers and script addresses, and nothing joins up in their place', async () => {
    expect(await html('<p onclick="x()" title="t">a</p><script>alert(1)</script>b</script>')).toBe(
      '<p data-removed="" title="t">a</p>b',
    );
    expect(await html('<a href="java&#115;cript&colon;x()">a</a><a href=" JavaScript:x()">b</a>')).not.toMatch(
      /script/i,
    );
    expect(await html('<<script></script>img src=x onerror=alert(1)>')).toBe('&lt;img src=x onerror=alert(1)>');
    expect(await html('<a href onclick="1"=javascript:x()>a</a>')).toBe('<a href data-removed=""=javascript:x()>a</a>');
  });

  it('has its embedded images as parts of their own, each once', async () => {
    const image = `<img src="data:image/png;base64,${PIXEL}">`;
    const { parsed, raw } = await composed({
      BodyHtml: `<p>${image}${image}<img src='data:image/jpg;base64,AAAA'></p>`,
    });
    expect(raw).toContain('Content-Type: multipart/related; type="text/html"');
    const [png, jpeg] = parsed.attachments;
    expect(
      parsed.attachments.map(({ contentType, filename, related }) => ({ contentType, filename, related })),
    ).toEqual([
      { contentType: 'image/png', filename: 'image1.png', related: true },
      { contentType: 'image/jpeg', filename: 'image2.jpg', related: true },
    ]);
    expect(png?.content).toEqual(Buffer.from(PIXEL, 'base64'));
    expect(parsed.html).toBe(
      `<p><img src="cid:${png?.cid}"><img src="cid:${png?.cid}"><img src='cid:${jpeg?.cid}'></p>`,
    );
  });

  it('keeps data that is no plain picture where it is', async () => {
    const written =
      '<img src="data:image/svg+xml;base64,AAAA"><img src="data:image/png;base64,A*"><img src="https://desk.example/x.png">';
    expect(await html(written)).toBe(written);
  });
});

describe('the sender', () => {
  const from = async (
    changes: Partial<MessageContentInfo>,
    sender: ComposeOptions['sender'],
    gatewayName: string | null = 'Desk',
  ) => {
    const { parsed, mail } = await composed(changes, { sender, gatewayName });
    return [mail.from, ...addresses(parsed.from).map(({ name }) => name)];
  };

  it('is the gateway’s, else the send request’s; the name likewise, and last the gateway’s name', async () => {
    expect(await from({}, { address: 'help@desk.example', name: 'Help' })).toEqual(['help@desk.example', 'Help']);
    expect(await from({}, { address: 'help@desk.example' })).toEqual(['help@desk.example', 'Info Desk']);
    expect(await from({}, { name: 'Help' })).toEqual(['info@desk.example', 'Help']);
    expect(await from({ FromField: 'info@desk.example' }, {})).toEqual(['info@desk.example', 'Desk']);
    expect(await from({ FromField: 'Jan Agent' }, { address: 'help@desk.example' })).toEqual([
      'help@desk.example',
      'Jan Agent',
    ]);
    expect(await from({ FromField: null }, { address: 'help@desk.example' }, null)).toEqual(['help@desk.example', '']);
  });

  it('missing or invalid is said with what to do', async () => {
    expect(await problem({ FromField: 'Jan Agent' })).toBe(
      'the send request has no sender address in FromField: set From in the gateway',
    );
    expect(await problem({}, { sender: { address: 'desk' } })).toBe(
      'the sender address "desk" has no @: correct From in the gateway',
    );
  });
});

describe('identity', () => {
  it('is the proposed id when it is a valid Message-ID, with or without brackets', async () => {
    for (const proposed of [
      'proposal.1@desk.example',
      '<proposal.1@desk.example>',
      "a!#$%&'*+-/=?^_`{|}~@[10.0.0.1]",
    ]) {
      const { mail, deliverySystemId, parsed } = await composed({ DeliverySystemId: proposed });
      expect(mail.messageId).toBe(`<${proposed.replace(/^<|>$/g, '')}>`);
      expect(parsed.messageId).toBe(mail.messageId);
      expect(deliverySystemId).toBe(mail.messageId.slice(1, -1));
    }
  });

  it('is made of the send request when the proposal is none, the same at every attempt', async () => {
    const wanted = '<3f2504e0-4f89-11d3-9a0c-0305e82c3301@desk.example>';
    for (const proposed of [
      '',
      null,
      'no at',
      'a@b@c',
      'a b@c',
      '.a@b',
      'a..b@c',
      'a@b.',
      'a@[b]c',
      'ž@b',
      'a@b\r\nBcc: x@y',
      `${'a'.repeat(250)}@b`,
    ]) {
      expect((await composed({ DeliverySystemId: proposed })).mail.messageId).toBe(wanted);
    }
    expect((await composed({ DeliverySystemId: null }, { domain: 'gate.example' })).mail.messageId).toBe(
      wanted.replace('desk', 'gate'),
    );
    const nameless = { DeliverySystemId: null, MessageId: null };
    expect((await composed(nameless)).mail.messageId).toBe((await composed(nameless)).mail.messageId);
  });

  it('longer than the server stores is shortened as for received mails', async () => {
    const long = `${'a'.repeat(100)}@desk.example`;
    const { mail, deliverySystemId } = await composed({ DeliverySystemId: long });
    expect(mail.messageId).toBe(`<${long}>`);
    expect(deliverySystemId).toBe(shortId(long));
    expect(deliverySystemId.length).toBeLessThanOrEqual(80);
  });
});

describe('an answer', () => {
  it('refers to the message it answers and to those before', async () => {
    const { parsed } = await composed(
      {},
      { thread: { messageId: '<q@c.example>', references: '<a@c.example>\r\n <b@c.example> <q@c.example>' } },
    );
    expect(parsed.inReplyTo).toBe('<q@c.example>');
    expect(parsed.references).toEqual(['<a@c.example>', '<b@c.example>', '<q@c.example>']);
  });

  it('keeps the root and the latest of an endless thread, and leaves out what no header can carry', async () => {
    const many = Array.from({ length: 5_000 }, (_, i) => `<m${i}@c.example>`).join(' ');
    const { parsed } = await composed(
      {},
      { thread: { messageId: '<q@c.example>', references: `${many} <ž@c> <${'x'.repeat(1_000)}@c>` } },
    );
    expect(parsed.references).toHaveLength(11);
    expect([parsed.references?.at(0), parsed.references?.at(-2), parsed.references?.at(-1)]).toEqual([
      '<m0@c.example>',
      '<m4999@c.example>',
      '<q@c.example>',
    ]);
    expect((await composed({}, { thread: { messageId: '<ž@c>', references: '<a@b>' } })).head).not.toMatch(
      /In-Reply-To|References/,
    );
  });
});

describe('header injection', () => {
  it('is impossible through any field', async () => {
    const nasty = fc
      .array(
        fc.oneof(
          fc.constantFrom(
            '\r\n',
            '\n',
            '\r',
            '\u0085',
            '\u2028',
            '\0',
            'Bcc: evil@evil.example',
            'X-Evil: 1',
            ': ',
            '<',
            '>',
            '"',
            '\\',
            ',',
            ';',
            '@',
            ' ',
            '=?utf-8?Q?=0D=0AX-Evil:_1?=',
            'a@b.example',
            '(',
            ')',
          ),
          fc.string({ unit: 'binary', maxLength: 6 }),
        ),
        { maxLength: 12 },
      )
      .map((pieces) => pieces.join(''));
    const allowed =
      /^(?:From|To|Cc|Reply-To|In-Reply-To|References|Subject|Message-ID|Date|MIME-Version|Content-Type|Content-Transfer-Encoding)$/;
    await fc.assert(
      fc.asyncProperty(fc.record({ a: nasty, b: nasty, c: nasty, d: nasty, e: nasty }), async ({ a, b, c, d, e }) => {
        const extended = JSON.stringify({
          To: [{ Name: a, Address: 'jana@customer.example' }],
          ReplyTo: [{ Name: b, Address: 'r@desk.example' }],
        });
        const fields = {
          FromField: `${a} <info@desk.example>`,
          SubjectField: b,
          DeliverySystemId: c,
          ToField: `${d}`,
          ToCcField: `${e} <cc@customer.example>`,
        };
        const thread = { messageId: `<${c}@x>`, references: `${d} <${e}@x>` };
        for (const changes of [fields, { SubjectField: e, ExtendedFields: extended }]) {
          const result = await composeMail(
            sendRequest(changes),
            options({ thread, sender: { name: d, address: 'info@desk.example' }, gatewayName: e }),
          );
          if (!result.ok) continue;
          const raw = Buffer.from(result.mail.raw).toString('latin1');
          const lines = raw
            .slice(0, raw.indexOf('\r\n\r\n'))
            .replace(/\r\n[ \t]/g, ' ')
            .split('\r\n');
          for (const line of lines) expect(line.slice(0, line.indexOf(':'))).toMatch(allowed);
          expect(lines.join('')).not.toMatch(/[\0\r\n]/);
          for (const recipient of result.mail.recipients) expect(recipient).toMatch(/^[\x21-\x7e ]+@[\x21-\x7e]+$/);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('never shows blind recipients', async () => {
    const { raw, mail } = await composed({ ToBccField: 'Boss <boss@desk.example>' });
    expect(mail.recipients).toEqual(['jana@customer.example', 'boss@desk.example']);
    expect(raw.toLowerCase()).not.toContain('boss');
    expect(raw).not.toMatch(/^bcc:/im);
  });
});
