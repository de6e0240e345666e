// Composes a fax: a PDF, and the page images (TIFF) where the gateway needs them. When a program is missing or fails, the fax gets
// a plainer layout, or is sent as a PDF only. Runs in the worker process (see compose.ts and process/compose-process.ts).
import type { Clock } from '../../../kit/clock.js';
import { deadline } from '../../../kit/deadline.js';
import { GatepostError, messageOf } from '../../../kit/errors.js';
import type { Log } from '../../../kit/log.js';
import { semaphore } from '../../../kit/semaphore.js';
import type { FaxRules } from '../../../model/content.js';
import { LIMITS, type MessageContentInfo } from '../../../model/message.js';
import { cleanLine, cutText, humanSize } from '../../limits.js';
import { faxSenderOf, readFaxNumber } from '../numbers.js';
import type { FaxComposer, FaxResult } from '../process/compose-task.js';
import type { Environment } from '../process/programs.js';
import { type Picture, readPicture } from '../tiff/dither.js';
import { tiffOf } from '../tiff/page-images.js';
import { bodyOf, type FaxBody } from './body.js';
import { type Chromium, createChromium } from './chromium.js';
import { coverOf, headerOf, MAX_PDF, paperOf } from './page.js';
import type { FaxJob, Laid } from './sheet.js';
import { typeset } from './typeset.js';

export interface FaxMaker extends FaxComposer {
  /** `pictures`: false leaves them out. */
  compose(
    sendRequest: MessageContentInfo,
    rules: FaxRules,
    signal: AbortSignal,
    pictures?: boolean,
  ): Promise<FaxResult>;
}

export interface FaxMakerOptions {
  clock: Clock;
  log: Log;
  /** The program; null: lay out without it. */
  chromium: string | null;
  /** The program; null: make no page images. */
  ghostscript: string | null;
  /** Time of the programs for one fax without waiting, ms. */
  composeMs?: number;
  /** Idle time after which the browser ends, ms. */
  idleMs?: number;
  env?: Environment;
}

const COMPOSE_MS = 20_000;
const IDLE_MS = 60_000;
/** Share of the time for one fax; the rest is for the plain layout and the page images. */
const BROWSER_SHARE = 0.6;
/** Share for reading the pictures, before that: a picture may have a hundred million dots. */
const PICTURES_SHARE = 0.3;
/** Faxes at once: each may occupy some tens of megabytes. */
const MAX_AT_ONCE = 2;
const MAX_SUBJECT = 320;

export function createFaxMaker(options: FaxMakerOptions): FaxMaker {
  const { clock, log, ghostscript, composeMs = COMPOSE_MS, idleMs = IDLE_MS, env = process.env } = options;
  const chromium = options.chromium
    ? createChromium({ executable: options.chromium, clock, log, idleMs, env })
    : undefined;
  const deps: Deps = { clock, log, env, chromium, ghostscript: ghostscript ?? undefined, composeMs };
  const slots = semaphore({ slots: MAX_AT_ONCE, weight: Number.POSITIVE_INFINITY });
  const closing = new AbortController();
  return {
    async compose(sendRequest, rules, signal, pictures = true) {
      const to = readFaxNumber(sendRequest.RemoteAddress ?? '', rules.region);
      if (!to.ok) return to;
      const stop = AbortSignal.any([signal, closing.signal]);
      const release = await slots.enter(1, stop);
      try {
        const body = bodyOf(sendRequest);
        return body.ok ? await make({ sendRequest, rules, to: to.to, body: body.body, pictures }, deps, stop) : body;
      } finally {
        release();
      }
    },
    async close() {
      closing.abort(new GatepostError('fax/closed', 'the fax composer is closed'));
      await slots.empty();
      await chromium?.close();
    },
  };
}

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  readonly env: Environment;
  readonly chromium: Chromium | undefined;
  readonly ghostscript: string | undefined;
  readonly composeMs: number;
}

interface Wanted {
  readonly sendRequest: MessageContentInfo;
  readonly rules: FaxRules;
  readonly to: string;
  readonly body: FaxBody;
  readonly pictures: boolean;
}

async function make(wanted: Wanted, deps: Deps, signal: AbortSignal): Promise<FaxResult> {
  const { sendRequest, rules, to } = wanted;
  const job = jobOf(wanted, deps.clock.now());
  const pictures = wanted.pictures ? await picturesOf(wanted.body, deps, signal) : [];
  const laid = await layOut(job, pictures, deps, signal);
  if (!laid.ok) return laid;
  const { pdf, pages } = laid;
  if (pdf.length > MAX_PDF) {
    const problem = `the fax would have ${humanSize(pdf.length)}, at most ${humanSize(MAX_PDF)} are sent`;
    return { ok: false, problem };
  }
  const tiff = rules.documents === 'tiff' ? await pageImages(pdf, job, deps, signal) : null;
  const from = faxSenderOf(sendRequest.FromField ?? '', rules.region);
  const subject = subjectOf(sendRequest);
  return { ok: true, fax: { kind: 'fax', to, from, subject, pdf, tiff, pages, reference: referenceOf(sendRequest) } };
}

function jobOf({ sendRequest, rules, to, body }: Wanted, now: number): FaxJob {
  return {
    body,
    paper: paperOf(rules),
    header: headerOf(rules, now),
    cover: rules.coverPage ? coverOf(sendRequest, to, rules, now) : undefined,
    subject: rules.coverPage ? '' : subjectOf(sendRequest),
    language: /^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$/.exec(sendRequest.Culture ?? '')?.[0] ?? '',
    now,
  };
}

function subjectOf({ SubjectField }: MessageContentInfo): string {
  return cutText(cleanLine(SubjectField ?? ''), MAX_SUBJECT);
}

/** By the browser; without one, or when it fails, in the plain layout. */
async function layOut(job: FaxJob, pictures: Pictures, deps: Deps, signal: AbortSignal): Promise<Laid> {
  const { chromium, log, composeMs } = deps;
  if (!chromium) return typeset(job, pictures, signal);
  try {
    return await chromium.layOut(job, pictures, BROWSER_SHARE * composeMs, signal);
  } catch (error) {
    signal.throwIfAborted();
    log.warn({ err: messageOf(error) }, 'browser layout failed, plain layout used');
    return typeset(job, pictures, signal);
  }
}

type Pictures = readonly (Picture | undefined)[];

/** Undefined for a picture that cannot be read or for which no time is left. */
async function picturesOf({ pictures }: FaxBody, deps: Deps, signal: AbortSignal): Promise<Pictures> {
  const { clock, log, composeMs } = deps;
  const end = clock.monotonic() + PICTURES_SHARE * composeMs;
  const read: (Picture | undefined)[] = [];
  try {
    for (const file of pictures) {
      signal.throwIfAborted();
      read.push(clock.monotonic() < end ? await readPicture(file) : undefined);
    }
  } catch (error) {
    signal.throwIfAborted();
    log.warn({ err: messageOf(error) }, 'pictures not readable here, left out');
  }
  return read;
}

/** Null when this machine cannot make them. */
async function pageImages(pdf: Uint8Array, { paper, now }: FaxJob, deps: Deps, signal: AbortSignal) {
  const { ghostscript, env, clock, log, composeMs } = deps;
  if (!ghostscript) return null;
  const limit = deadline(clock, composeMs, signal);
  try {
    return await tiffOf(pdf, { ghostscript, env, paper, now, signal: limit.signal });
  } catch (error) {
    signal.throwIfAborted();
    log.warn({ err: messageOf(error) }, 'page images failed, PDF only');
    return null;
  } finally {
    limit.dispose();
  }
}

/** The DeliverySystemId that the server proposes, unless it is too long; else the MessageId. */
function referenceOf({ DeliverySystemId, MessageId }: MessageContentInfo): string {
  const proposed = cleanLine(DeliverySystemId ?? '');
  return proposed !== '' && proposed.length <= LIMITS.DeliverySystemId ? proposed : (MessageId ?? '');
}
