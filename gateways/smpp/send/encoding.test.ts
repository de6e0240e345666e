// A message that cannot be encoded is rejected with the fault named. The connection works, and so does the next message.
import { afterEach, expect, it } from 'vitest';
import type { ComposedText } from '../../../src/driver/contract.js';
import { outboundText } from '../../../test/conformance/context.js';
import { openGateway } from '../../../test/servers/smpp-gateway.js';
import { startSmsc } from '../../../test/servers/smsc.js';
import { settings } from '../settings.js';
import { composeParts } from './compose.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function set(extra: Record<string, unknown> = {}) {
  const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12', ...extra };
  const gateway = await openGateway(settings, { direction: 'O' });
  undo.push(gateway.close);
  return { smsc, gateway };
}

it.each<[string, ComposedText, Record<string, unknown>, string]>([
  [
    'a text that is longer than a PDU can carry',
    outboundText('Ж'.repeat(40_000)),
    { LongMessages: 'Payload' },
    'message_payload would have 80000 octets, and 65535 is the most',
  ],
  [
    'a text with characters that its encoding lacks',
    { ...outboundText('hello'), text: 'Привет' },
    {},
    'the text cannot be encoded in GSM-7',
  ],
])('%s', async (_name, message, extra, detail) => {
  const { smsc, gateway } = await set(extra);
  expect(await gateway.send(message)).toEqual({ kind: 'rejected', detail });
  expect(smsc.asked).toBe(0);
  expect((await gateway.send(outboundText('the next'))).kind).toBe('sent');
  expect(smsc.binds()).toHaveLength(1);
});

it.each<[string, string, number, Buffer]>([
  ['Gsm', 'a@b_\u00fc\u20ac', 0, Buffer.from([0x61, 0x00, 0x62, 0x11, 0x7e, 0x1b, 0x65])],
  ['Latin1', 'a@b_\u00fc', 0, Buffer.from('a@b_\u00fc', 'latin1')],
  ['Latin1', '5 \u20ac', 8, Buffer.from('5 \u20ac', 'utf16le').swap16()],
  ['Windows1252', '5 \u20ac', 0, Buffer.from([0x35, 0x20, 0x80])],
  ['Windows1252', '\u0394', 8, Buffer.from('\u0394', 'utf16le').swap16()],
  ['Ascii', 'a@b_[]', 0, Buffer.from('a@b_[]')],
  ['Ascii', '\u00fc', 8, Buffer.from('\u00fc', 'utf16le').swap16()],
  ['Utf8', 'a@b', 0, Buffer.from('a@b')],
  ['Utf8', '\u00fc', 8, Buffer.from('\u00fc', 'utf16le').swap16()],
  ['Ucs2', 'a', 8, Buffer.from('a', 'utf16le').swap16()],
])('with DefaultAlphabet %s, %j goes out under data_coding %i', (DefaultAlphabet, text, data_coding, short_message) => {
  const written = { Host: 'h', SystemId: 's', Password: 'p', SourceAddress: '1', DefaultAlphabet };
  const parsed = settings.parse(written);
  if (!parsed.ok) throw new Error('the settings are wrong');
  const composed = composeParts({ ...outboundText(text), encoding: 'GSM-7' }, parsed.settings);
  expect(composed).toMatchObject({ parts: [{ fields: { data_coding, short_message } }] });
});
