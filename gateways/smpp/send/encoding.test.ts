// A message that cannot be encoded is rejected with the fault named. The connection works, and so does the next message.
import { afterEach, expect, it } from 'vitest';
import type { ComposedText } from '../../../src/driver/contract.js';
import { outboundText } from '../../../test/conformance/context.js';
import { openGateway } from '../../../test/servers/smpp-gateway.js';
import { startSmsc } from '../../../test/servers/smsc.js';

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
