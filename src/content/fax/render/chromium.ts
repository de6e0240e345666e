// Layout by one headless Chromium. The browser is started by the first fax and ended after idleMs without one, after a failed
// layout, and by `close`. Each fax gets a page of its own, without scripts and without network.
import type { Browser } from 'playwright-core';
import { type Cancel, type Clock, sleep } from '../../../kit/clock.js';
import { deadline, raceSignal } from '../../../kit/deadline.js';
import { GatepostError, messageOf } from '../../../kit/errors.js';
import type { Log } from '../../../kit/log.js';
import { semaphore } from '../../../kit/semaphore.js';
import { type Environment, minimalEnvironment } from '../process/programs.js';
import type { Picture } from '../tiff/dither.js';
import { layOutIn, lockedContext } from './browser-page.js';
import type { FaxJob, Laid } from './sheet.js';

export interface Chromium {
  /** Lays out one fax at a time, each within `ms`; rejects when the browser fails, and with the signal's reason. */
  layOut(job: FaxJob, pictures: readonly (Picture | undefined)[], ms: number, signal: AbortSignal): Promise<Laid>;
  close(): Promise<void>;
}

export interface ChromiumOptions {
  readonly executable: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly env: Environment;
  /** Idle time after which the browser is ended, ms. */
  readonly idleMs: number;
}

/** Time to start, also on a busy machine, ms. */
const LAUNCH_MS = 10_000;
/** Time to end before it is killed, ms. */
const CLOSE_MS = 3_000;

const ARGUMENTS = [
  '--disable-gpu',
  // Containers give 64 MB of shared memory, too little for a page with pictures.
  '--disable-dev-shm-usage',
  // No host name resolves, should a request pass all other locks.
  '--host-resolver-rules=MAP * ~NOTFOUND',
  '--disable-remote-fonts',
  // Smaller letters are unreadable on a fax.
  '--blink-settings=minimumFontSize=11',
];

export function createChromium(options: ChromiumOptions): Chromium {
  const { clock, log, idleMs } = options;
  const turn = semaphore({ places: 1, weight: 1 });
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

  /** Ends the browser; the next fax starts another one. */
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
      const release = await turn.enter(1, signal);
      const limit = deadline(clock, ms, signal);
      cancelIdle();
      try {
        const laid = await layOut(job, pictures, limit.signal);
        cancelIdle = clock.schedule(idleMs, drop);
        return laid;
      } catch (error) {
        log.debug({ err: messageOf(error) }, 'browser ended after a failed layout');
        drop();
        throw error;
      } finally {
        limit.dispose();
        release();
      }
    },
    async close() {
      await turn.empty();
      drop();
      await Promise.all(ending);
    },
  };
}

async function launch({ executable, env }: ChromiumOptions): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  const options = {
    executablePath: executable,
    args: ARGUMENTS,
    env: minimalEnvironment(env),
    // Chromium's own sandbox does not work for root.
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
  const closedInTime = new AbortController();
  const closed = browser.close().finally(() => closedInTime.abort());
  await Promise.race([closed, sleep(clock, CLOSE_MS, closedInTime.signal).catch(() => {})]);
  if (browser.isConnected()) await browser.close();
  await closed;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
