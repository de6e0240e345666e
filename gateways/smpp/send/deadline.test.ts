// A process that stood still: the response is in its socket when the deadline of the attempt has passed.
import { afterEach, expect, it } from 'vitest';
import { deadline } from '../../../src/driver/contract.js';
import { systemClock } from '../../../src/kit/clock.js';
import { attemptOf, outboundText } from '../../../test/conformance/context.js';
import { openGateway } from '../../../test/servers/smpp-gateway.js';
import { startSmsc } from '../../../test/servers/smsc.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

const FREEZE_MS = 150;

/** Blocks the event loop, as a frozen or swapped process does. */
function freeze(): void {
  const end = performance.now() + FREEZE_MS;
  while (performance.now() < end);
}

it.each([
  ['accepts', 0, 'sent'],
  ['rejects', 0x0b, 'rejected'],
])('an SMSC that %s during the freeze decides the outcome', async (_name, status, kind) => {
  const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12' };
  const gateway = await openGateway(settings, { direction: 'O' });
  undo.push(gateway.close);
  smsc.script = () => ({
    raw: (sequence) => {
      // After the response is written, and before the event loop reads it at the other end.
      process.nextTick(freeze);
      const response = Buffer.from([0, 0, 0, 18, 0x80, 0, 0, 4, 0, 0, 0, status, 0, 0, 0, 0, 0x37, 0]);
      response.writeUInt32BE(sequence, 12);
      return response;
    },
  });
  const due = deadline(systemClock, FREEZE_MS / 2);
  undo.push(due.dispose);
  const attempt = { ...attemptOf(), signal: due.signal, remaining: due.remaining };
  expect(await gateway.send(outboundText('hello'), attempt)).toMatchObject({ kind });
});
