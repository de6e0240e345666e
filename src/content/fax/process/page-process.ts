// Entry module of the worker process that reads faxes: one task at a time, one reply each.
import { rmSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { systemClock } from '../../../kit/clock.js';
import { messageOf } from '../../../kit/errors.js';
import { type FaxReply, faxTask } from './page-task.js';
import { PICTURES_MISSING } from './programs.js';

/** Niceness: other messages go first. */
const NICENESS = 5;

const [, , scratch = tmpdir()] = process.argv;
/** Undefined when sharp does not load: its part for this machine is an optional package. */
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
  setPriority(NICENESS);
} catch {
  // Not allowed everywhere, and not necessary.
}
// systemd sends SIGTERM to all processes of a service. The service finishes its faxes first, and then ends this process.
process.on('SIGTERM', () => {});
process.on('message', (message) => void answer(message).then((reply) => process.send?.(reply)));
// The service has ended, so this process removes the temporary files.
process.on('disconnect', () => {
  if (process.argv[2] !== undefined) rmSync(scratch, { recursive: true, force: true });
  process.exit();
});
