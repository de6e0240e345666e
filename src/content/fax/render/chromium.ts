// Layout by one headless Chromium. The browser is started by the first fax and ended after idleMs without one, after a failed
// layout, and by `close`. Each fax gets a page of its own, without scripts and without network.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { type Cancel, type Clock, sleep } from '../../../kit/clock.js';
import { deadline, raceSignal } from '../../../kit/deadline.js';
import { GatepostError, messageOf } from '../../../kit/errors.js';
import type { Log } from '../../../kit/log.js';
import { semaphore } from '../../../kit/semaphore.js';
import { BROWSING, scriptOf } from '../process/limited.js';
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
const LAUNCH_MS = 18_000;
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

/** Under limits and without network; without these only where no such browser starts. */
async function launch(options: ChromiumOptions): Promise<Browser> {
  // Chromium's own sandbox does not work for root.
  const sandbox = process.getuid?.() !== 0;
  if (!sandbox) options.log.warn({ reason: ROOT }, 'browser runs without its sandbox');
  const wrapped = await wrapperOf(options.executable);
  try {
    return await launchIt(wrapped?.file ?? options.executable, sandbox, options);
  } catch (error) {
    // A browser that is slow to start is no faster without limits.
    if (!wrapped || /timeout/i.test(messageOf(error))) throw error;
    options.log.warn({ err: messageOf(error) }, 'browser does not start under limits');
    return await launchIt(options.executable, sandbox, options);
  } finally {
    await wrapped?.remove();
  }
}

const ROOT = 'the service runs as root; run it as a user of its own';

/** A program that limits itself and becomes the browser. Undefined on Windows. */
async function wrapperOf(executable: string): Promise<{ file: string; remove: () => Promise<void> } | undefined> {
  if (process.platform === 'win32') return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-browser-'));
  const file = join(folder, 'browser');
  const script = scriptOf(BROWSING).replaceAll('"$0"', `'${executable.replaceAll("'", "'\\''")}'`);
  await writeFile(file, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
  return { file, remove: () => rm(folder, { recursive: true, force: true }) };
}

async function launchIt(executable: string, sandbox: boolean, { env }: ChromiumOptions): Promise<Browser> {
  const { chromium } = await import('playwright-core');
  const options = {
    executablePath: executable,
    args: ARGUMENTS,
    env: minimalEnvironment(env),
    chromiumSandbox: sandbox,
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
