// Entry module of the worker process that composes faxes: one task at a time, one reply each.
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
let logged: { fields: Record<string, unknown>; message: string }[] = [];

async function answer(message: unknown): Promise<ComposeReply> {
  try {
    const { sendRequest, rules, pictures, chromium, ghostscript, composeMs, ...rest } = composeTask.parse(message);
    now = rest.now;
    logged = [];
    maker ??= createFaxMaker({
      clock: { ...systemClock, now: () => now },
      log: { ...silentLog, warn: (fields, message) => void logged.push({ fields: { ...fields }, message }) },
      ...{ chromium, ghostscript, composeMs },
    });
    return { result: await maker.compose(sendRequest, rules, never, pictures), logged };
  } catch (error) {
    return { failed: messageOf(error) };
  }
}

// systemd sends SIGTERM to all processes of a service. The service finishes its faxes first, and then ends this process.
process.on('SIGTERM', () => {});
process.on('message', (message) => void answer(message).then((reply) => process.send?.(reply, () => {})));
// The service has ended: end the browser and remove the temporary files.
process.on('disconnect', async () => {
  await maker?.close().catch(() => {});
  if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true, maxRetries: 3 });
  process.exit();
});
