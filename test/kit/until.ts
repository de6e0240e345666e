// Waiting for facts: asks again and again whether something has become true. For real servers and processes, whose
// progress nothing of ours announces.
import { setTimeout as pause } from 'node:timers/promises';

/** Resolves with the first truthy answer; throws naming `what` when there is none within `ms` of real time. */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  ms = 20_000,
): Promise<Exclude<T, undefined | null | false>> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = await ask();
    if (truthy(answer)) return answer;
    if (performance.now() > end) throw new Error(`still waiting after ${ms} ms for: ${what}`);
    await pause(5);
  }
}

function truthy<T>(answer: T): answer is Exclude<T, undefined | null | false> {
  return Boolean(answer);
}
