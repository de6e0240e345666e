// A mailbox on a scripted server as the pipeline runs it: messages are acknowledged and confirmed as they come, and a session
// that breaks is opened again after a second of the manual clock.
import { type Driver, messageOf, sleep } from '../../src/driver/contract.js';
import { sharedByDevice } from '../../src/driver/shared-state.js';
import { recorder } from '../conformance/watch.js';
import { createDriverState, type TestDriverState } from '../fixtures/driver-state.js';
import { type ManualClock, manualClock } from '../fixtures/manual-clock.js';
import { waitFor } from '../fixtures/wait-for.js';
import { type ImapHarness, openImapHarness, subjectOf } from './imap-harness.js';
import type { ScriptedImap } from './scripted-imap.js';

/** Short beside every pause and limit of the driver. */
const STEP_MS = 2_000;

export interface ScriptedMailbox {
  readonly clock: ManualClock;
  readonly driverState: TestDriverState;
  /** The subject of every message that came with content. */
  readonly received: readonly string[];
  readonly confirmed: readonly string[];
  /** What is shown now. */
  readonly problems: ReadonlyMap<string, string>;
  /** Everything that was ever shown, and what sessions ended with. */
  readonly shown: readonly string[];
  /** Sessions that broke, or did not open. */
  readonly failures: readonly string[];
  logged(): string;
  /** Turns the clock, step by step, until `predicate` is true. */
  until(what: string, predicate: () => boolean): Promise<void>;
  close(): Promise<void>;
}

export function openScriptedMailbox<Settings, Session>(
  driver: Driver<Settings, Session>,
  server: ScriptedImap,
  settings: Readonly<Record<string, unknown>> = {},
): ScriptedMailbox {
  const clock = manualClock();
  const driverState = createDriverState();
  const log = recorder();
  const [received, confirmed, shown, failures]: [string[], string[], string[], string[]] = [[], [], [], []];
  const problems = new ShownProblems(shown);
  const stop = new AbortController();
  const options = { settings: { Since: 'All', ...settings }, clock, driverState, problems, log: log.log };
  const shared = sharedByDevice()(driver.device);
  const session = async () => {
    problems.clear();
    const harness = await openImapHarness(driver, server, 'u@example.test', { ...options, shared });
    const close = () => void harness.close();
    stop.signal.addEventListener('abort', close, { once: true });
    try {
      for (;;) await carry(harness, { received, confirmed });
    } finally {
      stop.signal.removeEventListener('abort', close);
      await harness.close();
    }
  };
  const run = async () => {
    while (!stop.signal.aborted) {
      const failure = await session().catch(messageOf);
      if (stop.signal.aborted) return;
      failures.push(String(failure));
      shown.push(String(failure));
      await sleep(clock, 1_000, stop.signal).catch(() => undefined);
    }
  };
  let ended = false;
  void run().finally(() => {
    ended = true;
  });
  return {
    ...{ clock, driverState, received, confirmed, problems, shown, failures },
    logged: () => JSON.stringify(log.lines),
    until: (what, predicate) =>
      waitFor(what, async () => {
        if (predicate()) return true;
        await clock.advance(STEP_MS);
        return predicate();
      }).then(() => undefined),
    async close() {
      stop.abort();
      for (const { socket } of server.connections) socket.destroy();
      await waitFor('the mailbox to close', async () => {
        await clock.advance(1_000);
        return ended;
      });
    },
  };
}

class ShownProblems extends Map<string, string> {
  readonly #shown: string[];
  constructor(shown: string[]) {
    super();
    this.#shown = shown;
  }
  override set(about: string, problem: string): this {
    this.#shown.push(problem);
    return super.set(about, problem);
  }
}

interface Carried {
  received: string[];
  confirmed: string[];
}

async function carry(harness: ImapHarness, { received, confirmed }: Carried): Promise<void> {
  const message = await harness.next();
  if (message.content) received.push(subjectOf(message));
  harness.driverState.acknowledge(message);
  // Not awaited: the pipeline goes on while a confirm is under way.
  void message.confirm().then(
    () => {
      harness.driverState.confirmed(message);
      confirmed.push(message.key);
    },
    () => undefined,
  );
}
