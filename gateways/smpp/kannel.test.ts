// Kannel, another implementation of SMPP, binds to the SMSC of our other tests. What Kannel submits is delivered to our
// gateway, and what our gateway submits is delivered to Kannel: each must read what the other wrote.
import { createServer } from 'node:http';
import iconv from 'iconv-lite';
import { afterEach, describe, expect, it } from 'vitest';
import { gsmEncode } from '../../src/driver/shared/text.js';
import { outboundText } from '../../test/conformance/context.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { startKannel, whyNoKannel } from '../../test/servers/kannel.js';
import { openGateway } from '../../test/servers/smpp-gateway.js';
import { deliverFields, type Smsc, type Submitted, startSmsc } from '../../test/servers/smsc.js';

const missing = whyNoKannel();
const login = { systemId: 'desk', password: 'secret12' };
const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function smscFor(): Promise<Smsc> {
  const smsc = await startSmsc(login);
  undo.push(smsc.close);
  return smsc;
}

/** A Kannel bound to `smsc`, and the texts that it received from there. */
async function kannelAt(smsc: Smsc) {
  const texts: string[] = [];
  const server = createServer((request, reply) => {
    texts.push(textOf(request.url ?? ''));
    reply.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(() => void server.close());
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const bind = ['host = 127.0.0.1', `port = ${smsc.port}`, 'transceiver-mode = true', 'system-type = ""'];
  const account = [`smsc-username = ${login.systemId}`, `smsc-password = ${login.password}`];
  // Preferred: the fake operator accepts any text, too, and otherwise Kannel picks one of the two at random.
  const group = ['group = smsc', 'smsc = smpp', 'smsc-id = ours', 'preferred-smsc-id = ours', ...bind, ...account];
  const getUrl = `http://127.0.0.1:${port}/?text=%b&charset=%C`;
  const kannel = await startKannel({ getUrl, groups: [group] });
  undo.push(kannel.close);
  // Our SMSC is bound before Kannel has read the response; Kannel keeps a text that comes between the two for a minute.
  await waitFor('Kannel to be bound', async () => /\bours\b.*\(online/.test(await kannel.status()));
  return { kannel, texts };
}

/** Kannel passes the bytes of the text and their charset. */
function textOf(url: string): string {
  const [, text = '', charset = ''] = /text=([^&]*)&charset=([^&]*)/.exec(url) ?? [];
  const plain = text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return iconv.decode(Buffer.from(plain, 'latin1'), charset);
}

/** The bytes of a part as they were sent. */
function bytesOf({ udh, text, fields }: Submitted): Buffer {
  const words = fields.data_coding === 8 ? Buffer.from(text, 'utf16le').swap16() : Buffer.from(gsmEncode(text) ?? []);
  const header = Buffer.concat(udh);
  return udh.length > 0 ? Buffer.concat([Buffer.from([header.length]), header, words]) : words;
}

async function handOn(parts: readonly Submitted[], to: Smsc): Promise<void> {
  for (const part of parts) {
    const { data_coding } = part.fields;
    const esm_class = part.udh.length > 0 ? 0x40 : 0;
    const fields = { short_message: bytesOf(part), data_coding, esm_class };
    await to.deliver(deliverFields('+420777123456', '12345', fields));
  }
}

const TEXTS = [
  'Hello [there], 5 €?',
  'A long one of plain letters, and it goes on and on. '.repeat(7).trim(),
  'Žluťoučký kůň pěl ďábelské ódy 😀 '.repeat(6).trim(),
];

describe.runIf(!missing)(`with Kannel${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it.each(TEXTS)('what Kannel submits is read by our gateway: %j', async (text) => {
    const [its, ours] = [await smscFor(), await smscFor()];
    const { kannel } = await kannelAt(its);
    const gateway = await openGateway(
      { Host: '127.0.0.1', Port: ours.port, SystemId: login.systemId, Password: login.password },
      { direction: 'I' },
    );
    undo.push(gateway.close);
    const query = new URLSearchParams({ username: kannel.user, password: kannel.password, to: '420777123456', text });
    const coding = /[^\n -~€]/.test(text) ? '2' : '0';
    const sent = await fetch(`${kannel.sendUrl}?${query}&smsc=ours&charset=UTF-8&coding=${coding}`);
    expect(sent.status).toBe(202);
    await waitFor('the whole text', () => its.texts()[0]?.text === text);
    const taken = gateway.take();
    await handOn(its.submits, ours);
    expect(await taken).toBe(text);
  });

  it.each(TEXTS)('what our gateway submits is read by Kannel: %j', async (text) => {
    const [its, ours] = [await smscFor(), await smscFor()];
    const { texts } = await kannelAt(its);
    const gateway = await openGateway(
      { Host: '127.0.0.1', Port: ours.port, SystemId: login.systemId, Password: login.password },
      { direction: 'O' },
    );
    undo.push(gateway.close);
    expect((await gateway.send(outboundText(text))).kind).toBe('sent');
    await handOn(ours.submits, its);
    await waitFor('Kannel to have it', () => texts.length > 0);
    expect(texts).toEqual([text]);
  });
});
