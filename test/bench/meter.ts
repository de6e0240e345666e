// Preloaded with --import into a measured process: answers the runner's questions for the CPU used so
// far and for the memory. It keeps nothing alive, and ends the process when the runner is gone.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

process.on('message', (message) => {
  if (message === 'usage') {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMs: (user + system) / 1000 });
  } else if (message === 'memory') {
    collectGarbage();
    const { heapUsed, external, rss } = process.memoryUsage();
    process.send?.({ heldMb: (heapUsed + external) / 1e6, residentMb: rss / 1e6 });
  }
});

/** Node keeps its collector to itself unless it is asked for on the command line, or so. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  if (typeof gc === 'function') gc();
}
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
