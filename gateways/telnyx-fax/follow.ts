// Owns what is remembered of faxes whose end was not known when their send requests were answered: asking for it until it is
// there or nobody can be waiting any more. Durable, so a restart goes on with it.
import { type DeliveryReceipt, type GatewayContext, messageOf, sleep } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { type Api, reasonOf } from './api.js';
import type { Documents } from './document.js';
import { type Fax, fetchFax } from './faxes.js';
import type { Settings } from './settings.js';
import { type Progress, progressOf } from './states.js';

const COLLECTION = 'sent';
/** Faxes remembered at once: Telnyx itself handles no more than 2,000 of an account at a time. */
const MOST = 5_000;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** Pauses between two looks by the age of the fax, ms. */
const PAUSES: readonly [upTo: number, pause: number][] = [
  [2 * MINUTE, 5 * SECOND],
  [10 * MINUTE, 15 * SECOND],
  [60 * MINUTE, MINUTE],
  [24 * 60 * MINUTE, 10 * MINUTE],
];
/** With the progress being pushed, asking is only the safety net. */
const LEAST_PAUSE_WHEN_PUSHED = MINUTE;
/** An end that was pushed is looked at after this, ms: the push says more of it and shall be first in the journal. */
const AFTER_PUSH_MS = 10 * SECOND;
/** Nothing changes any more after this, ms. */
const GIVE_UP = 24 * 60 * MINUTE;

const recordSchema = z.object({ sendRequest: z.string(), at: z.number(), handle: z.string().nullable() });
type Noted = z.output<typeof recordSchema>;

interface Entry extends Noted {
  /** Rank of what was told of it last. */
  told: number;
  /** When it is asked for next, ms since the epoch; null while a send is waiting for it itself. */
  due: number | null;
}

export interface FollowUp {
  /** Remembers whose fax this is and what document it goes with. Never rejects: a journal that cannot write must not turn
   *  "sent" into doubt. */
  claim(id: string, sendRequest: string, handle: string | null): Promise<void>;
  /** The fax of a send request whose end is not known. */
  of(sendRequest: string): string | undefined;
  /** Begins to ask for its end. */
  follow(id: string, known: Progress): void;
  /** Its progress was pushed, and is told from there. */
  heard(id: string, progress: Progress): void;
  /** A send has learned its end. What the fax goes with is taken away within the time of `signal`. */
  ended(id: string, signal: AbortSignal): Promise<void>;
  /** Resolves when the asking has ended, which it does with the session. */
  readonly done: Promise<void>;
}

interface Deps {
  readonly context: GatewayContext<Settings>;
  readonly api: Api;
  readonly documents: Documents;
  readonly closed: AbortSignal;
  /** True when Telnyx is told to push the progress. */
  readonly pushed: boolean;
}

export async function followUp({ context, api, documents, closed, pushed }: Deps): Promise<FollowUp> {
  const { clock, driverState, log, gateway } = context;
  const entries = new Map<string, Entry>();
  let nap = new AbortController();

  const kept = gateway.direction === 'O' ? await driverState.listRecords(COLLECTION, '', MOST) : [];
  for (const { key, value } of kept) {
    const record = recordSchema.safeParse(value);
    if (record.success) entries.set(key, { ...record.data, told: 0, due: clock.now() });
  }

  function nextLook({ at }: Entry): number {
    const age = clock.now() - at;
    const pause = PAUSES.find(([upTo]) => age < upTo)?.[1] ?? 10 * MINUTE;
    return clock.now() + Math.max(pause, pushed ? LEAST_PAUSE_WHEN_PUSHED : 0);
  }

  async function ended(id: string, signal: AbortSignal): Promise<void> {
    const entry = entries.get(id);
    if (!entry) return;
    if (entry.handle !== null) await documents.withdraw(entry.handle, AbortSignal.any([closed, signal]));
    await letGo(id);
  }

  async function letGo(id: string): Promise<void> {
    entries.delete(id);
    await driverState
      .deleteRecords(COLLECTION, [id])
      .catch((error) => log.warn({ fax: id, error: messageOf(error) }, 'a fax cannot be forgotten yet'));
  }

  async function look(id: string, entry: Entry): Promise<void> {
    const fax = await fetchFax(api, id, closed);
    const progress = fax ? progressOf(fax) : GONE;
    if (progress && progress.rank > entry.told) {
      await context.reportReceipts([receiptsOf(id, progress, fax?.updatedAt ?? clock.now())]);
      entry.told = progress.rank;
    }
    if (progress?.final) return ended(id, closed);
    if (clock.now() - entry.at < GIVE_UP) return;
    log.warn({ fax: id }, 'a fax has had no end for a day: it is not asked for any more');
    await ended(id, closed);
  }

  async function lookAtDue(): Promise<void> {
    for (const [id, entry] of [...entries]) {
      if (entry.due === null || entry.due > clock.now()) continue;
      entry.due = nextLook(entry);
      await look(id, entry).catch((error) => {
        if (!closed.aborted)
          log.debug({ fax: id, error: reasonOf(error) }, 'the state of a fax could not be asked for');
      });
      if (closed.aborted) return;
    }
  }

  const soonest = () =>
    [...entries.values()].reduce((least, { due }) => Math.min(least, due ?? least), Number.POSITIVE_INFINITY);

  async function pauseUntil(due: number): Promise<void> {
    const signal = AbortSignal.any([closed, nap.signal]);
    if (signal.aborted) return;
    if (due === Number.POSITIVE_INFINITY)
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await sleep(clock, Math.max(0, due - clock.now()), signal).catch(() => {});
  }

  async function run(): Promise<void> {
    while (!closed.aborted) {
      nap = new AbortController();
      await pauseUntil(soonest());
      await lookAtDue();
    }
  }

  return {
    async claim(id, sendRequest, handle) {
      const known = entries.get(id);
      const record = { sendRequest, at: known?.at ?? clock.now(), handle: handle ?? known?.handle ?? null };
      entries.set(id, { ...record, told: known?.told ?? 0, due: null });
      try {
        await driverState.putRecords(COLLECTION, [{ key: id, value: record }]);
        if (entries.size > MOST) await letGo([...entries.keys()][0] ?? '');
      } catch (error) {
        log.warn({ fax: id, error: messageOf(error) }, 'a sent fax could not be noted: its end may be missed');
      }
    },
    of: (sendRequest) => [...entries].find(([, entry]) => entry.sendRequest === sendRequest)?.[0],
    follow(id, known) {
      const entry = entries.get(id);
      if (!entry) return;
      entry.told = Math.max(entry.told, known.rank);
      entry.due = nextLook(entry);
      nap.abort();
    },
    heard(id, { rank, final }) {
      const entry = entries.get(id);
      if (!entry) return;
      // An end is told again after a look of our own: the journal may not have had it from the push.
      if (!final) entry.told = Math.max(entry.told, rank);
      if (!final || entry.due === null) return;
      entry.due = clock.now() + AFTER_PUSH_MS;
      nap.abort();
    },
    ended,
    done: run(),
  };
}

/** The account has no such fax any more: somebody deleted it, and nobody will learn its end. */
const GONE: Progress = {
  state: 'accepted',
  final: true,
  detail: 'Telnyx has no such fax any more: how it ended is not known',
  rank: 9,
  notNow: false,
};

/** What the delivery log is told of it, which says "delivered" and "undelivered" itself. */
export function receiptsOf(id: string, { state, detail }: Progress, at: number): DeliveryReceipt {
  if (state === 'accepted') return { id, state, at, detail, progress: true };
  return { id, state, at, detail: detail.replace(/^(?:delivered|failed)(?:,? |$)/, '') || null };
}

/** What a fax that was found again goes with. */
export function handleOf({ mediaName }: Fax): string | null {
  return mediaName === null ? null : `media:${mediaName}`;
}
