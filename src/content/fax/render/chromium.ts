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
  const turn = semaphore({ slots: 1, weight: 1 });
  const browser = browserHolder(options);
  let cancelIdle: Cancel = () => {};

  const drop = () => {
    cancelIdle();
    browser.drop();
  };

  return {
    async layOut(job, pictures, ms, signal) {
      const release = await turn.enter(1, signal);
      const limit = deadline(clock, ms, signal);
      cancelIdle();
      try {
        const laid = await layOut(browser.get(), job, pictures, limit.signal);
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
      await browser.ended();
    },
  };
}

/** none -> starting -> running -> none; a browser that fails to start or disconnects is forgotten, so the next fax starts one. */
interface BrowserHolder {
  /** The browser that is starting or running; starts one when there is none. */
  get(): Promise<Browser>;
  /** Ends the browser. */
  drop(): void;
  /** Resolves once all dropped browsers have ended. */
  ended(): Promise<void>;
}

function browserHolder(options: ChromiumOptions): BrowserHolder {
  const ending = new Set<Promise<void>>();
  let current: Promise<Browser> | undefined;

  const forget = (gone: Promise<Browser>) => {
    if (current === gone) current = undefined;
  };

  return {
    get() {
      if (current) return current;
      const starting = launch(options);
      current = starting;
      starting.then(
        (started) => started.on('disconnected', () => forget(starting)),
        () => forget(starting),
      );
      return starting;
    },
    drop() {
      const dropped = current;
      current = undefined;
      if (!dropped) return;
      const end: Promise<void> = dropped
        .then((started) => endBrowser(started, options.clock))
        .catch(() => {})
        .finally(() => ending.delete(end));
      ending.add(end);
    },
    ended: async () => void (await Promise.all(ending)),
  };
}

async function layOut(
  browser: Promise<Browser>,
  job: FaxJob,
  pictures: readonly (Picture | undefined)[],
  signal: AbortSignal,
): Promise<Laid> {
  const started = await raceSignal(browser, signal, 'starting Chromium');
  const context = await raceSignal(lockedContext(started, job.paper), signal, 'opening a page');
  const laid = await raceSignal(layOutIn(context, job, pictures, signal), signal, 'the layout');
  await raceSignal(context.close(), signal, 'closing a page');
  return laid;
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
