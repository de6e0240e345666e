// Owns the far side of the process that lays out faxes: one task in, one answer out, one at a time.
import { rmSync } from 'node:fs';
import { systemClock } from '../../../kit/clock.js';
import { messageOf } from '../../../kit/errors.js';
import { silentLog } from '../../../kit/log.js';
import { createFaxMaker, type FaxMaker } from '../render/make.js';
import { type ComposeReply, composeTask } from './compose-task.js';

const [, , scratch] = process.argv;
const never = new AbortController().signal;
let maker: FaxMaker | undefined;
let now = 0;
let said: { fields: Record<string, unknown>; message: string }[] = [];

async function answer(message: unknown): Promise<ComposeReply> {
  try {
    const { sendRequest, rules, pictures, chromium, ghostscript, composeMs, ...rest } = composeTask.parse(message);
    now = rest.now;
    said = [];
    maker ??= createFaxMaker({
      clock: { ...systemClock, now: () => now },
      log: { ...silentLog, warn: (fields, words) => void said.push({ fields: { ...fields }, message: words }) },
      ...{ chromium, ghostscript, composeMs },
    });
    return { result: await maker.compose(sendRequest, rules, never, pictures), said };
  } catch (error) {
    return { failed: messageOf(error) };
  }
}

// Whoever started it ends it. Some tell all processes of a service to stop (systemd), which finishes its faxes first.
process.on('SIGTERM', () => {});
process.on('message', (message) => void answer(message).then((reply) => process.send?.(reply, () => {})));
// Nobody is left to be answered: the browser ends with it, and nothing stays behind.
process.on('disconnect', async () => {
  await maker?.close().catch(() => {});
  if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
  process.exit();
});
