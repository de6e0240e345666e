// Owns the far side of the process that looks into faxes: one task in, one answer out, one at a time.
import { rmSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { systemClock } from '../../../kit/clock.js';
import { messageOf } from '../../../kit/errors.js';
import { type FaxReply, faxTask } from './page-task.js';
import { PICTURES_MISSING } from './programs.js';

/** Added to the niceness: nobody waits for pictures while messages are on their way. */
const PATIENT = 5;

const [, , scratch = tmpdir()] = process.argv;
/** Undefined when the library for pictures does not load: its part for this machine is an optional package. */
const loading = import('../receive/read-pages.js').then(
  ({ createPageReader }) => createPageReader({ clock: systemClock, scratch }),
  () => undefined,
);

async function answer(message: unknown): Promise<FaxReply> {
  try {
    const reader = await loading;
    return reader ? await reader.read(faxTask.parse(message)) : { unable: PICTURES_MISSING };
  } catch (error) {
    return { failed: messageOf(error) };
  }
}

try {
  setPriority(PATIENT);
} catch {
  // Not everywhere allowed, and only a courtesy.
}
// Whoever started it ends it. Some tell all processes of a service to stop (systemd), which finishes its faxes first.
process.on('SIGTERM', () => {});
process.on('message', (message) => void answer(message).then((reply) => process.send?.(reply)));
// Nobody is left to be answered, or to clear up.
process.on('disconnect', () => {
  if (process.argv[2] !== undefined) rmSync(scratch, { recursive: true, force: true });
  process.exit();
});
