// The driver alone, run as a process of its own: Smpp as it is in the product, with nothing behind it that takes time.
// A send request is a call of send; what is delivered is confirmed at once. Beside the bare library this is what the driver costs.
import { z } from 'zod';
import { smpp } from '../../gateways/smpp/driver.js';
import type { ComposedText } from '../../src/driver/contract.js';
import { attemptOf, contextOf } from '../conformance/context.js';
import { createDriverState } from '../fixtures/driver-state.js';
import { nowMs } from './machine.js';
import { benchText, DESK } from './sms-texts.js';
import { accountOf, submitJob } from './smsc-words.js';

const options = z.object({ port: z.number(), window: z.number() });
const { port, window } = options.parse(JSON.parse(process.argv[2] ?? ''));

// A journal that knows no key: the driverState of the tests would search all its keys every time.
const driverState = { ...createDriverState(), byFingerprint: async () => [] };
const open = (direction: 'I' | 'O') =>
  smpp.open(contextOf(smpp, accountOf(direction, port, window), { direction, driverState }));
const sender = await open('O');
const receiver = await open('I');
void confirmAll();
process.send?.('ready');

async function confirmAll(): Promise<void> {
  const inboundMessages = smpp.receive?.(receiver, new AbortController().signal) ?? [];
  for await (const inboundMessage of inboundMessages) await inboundMessage.confirm();
}

async function submit({ first, count }: z.infer<typeof submitJob>): Promise<void> {
  const startedAt = nowMs();
  let next = 0;
  let refused = 0;
  const lane = async () => {
    const attempt = attemptOf();
    while (next < count) {
      const outcome = await smpp.send?.(sender, messageOf(first + next++), attempt);
      if (outcome?.kind !== 'sent') refused += 1;
    }
  };
  await Promise.all(Array.from({ length: window }, lane));
  process.send?.({ ms: nowMs() - startedAt, refused });
}

/** As the content rules compose it: finding out the alphabet is their work. */
function messageOf(number: number): ComposedText {
  const { customer, body, coding } = benchText(number);
  const encoding = coding === 8 ? 'UCS-2' : 'GSM-7';
  return { kind: 'text', to: customer, from: DESK, text: body, encoding, segments: 1, reference: `bench ${number}` };
}

process.on('message', (message) => {
  const { success, data } = submitJob.safeParse(message);
  if (success) void submit(data);
});
process.channel?.ref();
