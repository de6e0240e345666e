// Owns the layout by a real browser: one headless Chromium, started with the first fax and ended when none has come for a
// while; one page per fax, without scripts and without network. What hangs is ended with its browser.
import type { Browser } from 'playwright-core';
import { type Cancel, type Clock, sleep } from '../../../kit/clock.js';
import { deadline, raceSignal } from '../../../kit/deadline.js';
import { GatepostError, messageOf } from '../../../kit/errors.js';
import type { Log } from '../../../kit/log.js';
import { semaphore } from '../../../kit/semaphore.js';
import { type Environment, sparse } from '../process/programs.js';
import type { Picture } from '../tiff/dither.js';
import { layOutIn, lockedContext } from './browser-page.js';
import type { FaxJob, Laid } from './sheet.js';

export interface Chromium {
  /** Lays out one fax at a time, in `ms` once it is its turn; rejects when the browser cannot, and with the signal's reason. */
  layOut(job: FaxJob, pictures: readonly (Picture | undefined)[], ms: number, signal: AbortSignal): Promise<Laid>;
  close(): Promise<void>;
}

export interface ChromiumOptions {
  readonly executable: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly env: Environment;
  /** Ms without a fax after which the browser is ended. */
  readonly idleMs: number;
}

/** Ms in which a browser starts, even on a machine that is busy with other things. */
const LAUNCH_MS = 10_000;
/** Ms a browser may take to end by itself. */
const CLOSE_MS = 3_000;

const ARGUMENTS = [
  '--disable-gpu',
  // Containers give 64 MB of shared memory, too little for a page with pictures.
  '--disable-dev-shm-usage',
  // No name has an address: a request that got past everything else goes nowhere.
  '--host-resolver-rules=MAP * ~NOTFOUND',
  '--disable-remote-fonts',
  // Smaller letters do not survive the line.
  '--blink-settings=minimumFontSize=11',
];

export function createChromium(options: ChromiumOptions): Chromium {
  const { clock, log, idleMs } = options;
  const places = semaphore({ places: 1, weight: 1 });
  const ending = new Set<Promise<void>>();
  let running: Promise<Browser> | undefined;
  let cancelIdle: Cancel = () => {};

  const browser = (): Promise<Browser> => {
    if (running) return running;
    const starting = launch(options);
    running = starting;
    starting.then(
      (started) => started.on('disconnected', () => forget(starting)),
      () => forget(starting),
    );
    return starting;
  };

  const forget = (gone: Promise<Browser>) => {
    if (running === gone) running = undefined;
  };

  /** Whatever it is doing: the next fax starts another one. */
  const drop = () => {
    cancelIdle();
    const dropped = running;
    running = undefined;
    if (!dropped) return;
    const end: Promise<void> = dropped
      .then((started) => endBrowser(started, clock))
      .catch(() => {})
      .finally(() => ending.delete(end));
    ending.add(end);
  };

  const layOut = async (job: FaxJob, pictures: readonly (Picture | undefined)[], signal: AbortSignal) => {
    const started = await raceSignal(browser(), signal, 'starting Chromium');
    const context = await raceSignal(lockedContext(started, job.paper), signal, 'opening a page');
    const laid = await raceSignal(layOutIn(context, job, pictures, signal), signal, 'the layout');
    await raceSignal(context.close(), signal, 'closing a page');
    return laid;
  };

  return {
    async layOut(job, pictures, ms, signal) {
      const leave = await places.enter(1, signal);
      const limit = deadline(clock, ms, signal);
      cancelIdle();
      try {
        const laid = await layOut(job, pictures, limit.signal);
        cancelIdle = clock.schedule(idleMs, drop);
        return laid;
      } catch (error) {
        log.debug({ error: messageOf(error) }, 'the browser is ended after a failed layout');
        drop();
        throw error;
      } finally {
        limit.dispose();
        leave();
      }
    },
    async close() {
      await places.empty();
      drop();
      await Promise.all(ending);
    },
  };
}

/** The process is told nothing of ours: no secret of the environment is anywhere near a sender's markup. */
async function launch({ executable, env }: ChromiumOptions): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  const options = {
    executablePath: executable,
    args: ARGUMENTS,
    env: sparse(env),
    // Chromium's own sandbox refuses to work for root.
    chromiumSandbox: process.getuid?.() !== 0,
    timeout: LAUNCH_MS,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  };
  return chromium.launch(options).catch((error) => {
    const problem = `Chromium does not start: ${firstLine(messageOf(error))}`;
    throw new GatepostError('fax/chromium', problem, { cause: error });
  });
}

/** A second close kills (playwright-core, processLauncher: "forcefully close"). */
async function endBrowser(browser: Browser, clock: Clock): Promise<void> {
  const patience = new AbortController();
  const closed = browser.close().finally(() => patience.abort());
  await Promise.race([closed, sleep(clock, CLOSE_MS, patience.signal).catch(() => {})]);
  if (browser.isConnected()) await browser.close();
  await closed;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
