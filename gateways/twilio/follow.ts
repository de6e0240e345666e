// Owns what is remembered of messages that went out: whose they are, so that no two send requests claim the same one, and asking
// for their states until the end is known or nobody waits for it any more. Durable, so a restart goes on with it.
import { type GatewayContext, messageOf, sleep } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { type Api, type Sms, smsOf } from './api.js';
import { type Progress, progressOf, refusalOf } from './codes.js';
import type { Settings } from './settings.js';

const COLLECTION = 'sent';
/** Messages remembered at once; beyond that the oldest are let go of. A bound on memory and on requests. */
const MOST = 10_000;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** How long after the sending a state is asked for. Carriers that have said nothing after hours mostly never will. */
const LOOKS = [10 * SECOND, 30 * SECOND, ...[1, 2, 5, 10, 30, 60, 120, 240].map((minutes) => minutes * MINUTE)];
/** With states being pushed, asking is only the safety net. */
const LOOKS_WHEN_PUSHED = LOOKS.filter((at) => at >= 10 * MINUTE);
/** A message stays its send request's for as long as a lookup of another order could come across it. */
const CLAIM_MS = 15 * MINUTE;

const recordSchema = z.object({ sendRequest: z.string(), at: z.number() });

interface Entry {
  readonly sendRequest: string;
  /** When it was handed over, ms since the epoch. */
  readonly at: number;
  state: Progress['state'] | null;
  done: boolean;
  /** When it is asked for next; null when it is not any more. */
  due: number | null;
}

export interface FollowUp {
  /** Remembers whose message this is. Never rejects: a journal that cannot write must not turn "sent" into doubt. */
  claim(sid: string, sendRequest: string): Promise<void>;
  /** The send request that a message belongs to, as far as it is remembered. */
  owner(sid: string): string | undefined;
  /** Begins to ask for the message's state. */
  follow(sid: string, known: Progress['state']): void;
  /** What a send has learned of it. */
  heard(sid: string, progress: Progress): void;
  /** Resolves when the asking has ended, which it does with the session. */
  readonly ended: Promise<void>;
}

export async function followUp(
  context: GatewayContext<Settings>,
  api: Api,
  closed: AbortSignal,
  pushed: boolean,
): Promise<FollowUp> {
  const { clock, driverState, log, gateway } = context;
  const looks = pushed ? LOOKS_WHEN_PUSHED : LOOKS;
  const entries = new Map<string, Entry>();
  let nap = new AbortController();

  const kept = gateway.direction === 'O' ? await driverState.listRecords(COLLECTION, '', MOST) : [];
  for (const { key, value } of kept) {
    const record = recordSchema.safeParse(value);
    if (!record.success) continue;
    entries.set(key, { ...record.data, state: null, done: false, due: clock.now() + (looks[0] ?? 0) });
  }

  const nextLook = ({ at }: Entry): number | null => {
    const age = clock.now() - at;
    const look = looks.find((after) => after > age);
    return look === undefined ? null : at + look;
  };

  const worthKeeping = (entry: Entry) => clock.now() - entry.at < CLAIM_MS || (!entry.done && entry.due !== null);

  /** Lets go of what nobody needs any more, and of the oldest when there are too many. */
  async function prune(): Promise<void> {
    const gone = [...entries].filter(([, entry]) => !worthKeeping(entry)).map(([sid]) => sid);
    for (const sid of gone) entries.delete(sid);
    for (const sid of entries.keys()) {
      if (entries.size <= MOST) break;
      entries.delete(sid);
      gone.push(sid);
    }
    if (gone.length > 0) await driverState.deleteRecords(COLLECTION, gone);
  }

  function heard(sid: string, progress: Progress): void {
    const entry = entries.get(sid);
    if (!entry) return;
    entry.state = progress.state;
    if (progress.final) entry.done = true;
  }

  async function look(sid: string, entry: Entry): Promise<void> {
    const sms = await fetchSms(api, sid, closed);
    const progress = sms && progressOf(sms.status, sms.errorCode, sms.errorMessage);
    // A message that Twilio no longer has will never have another state.
    if (!progress) entry.done = true;
    else if (progress.state !== entry.state) {
      await context.reportReceipts([{ id: sid, state: progress.state, at: clock.now(), detail: progress.note }]);
      heard(sid, progress);
    }
  }

  async function lookAtDue(): Promise<void> {
    for (const [sid, entry] of entries) {
      if (entry.done || entry.due === null || entry.due > clock.now()) continue;
      entry.due = nextLook(entry);
      await look(sid, entry).catch((error) => {
        if (!closed.aborted) log.debug({ sid, error: messageOf(error) }, 'a delivery state could not be asked for');
      });
      if (closed.aborted) return;
    }
    await prune();
  }

  const soonest = () =>
    [...entries.values()].reduce(
      (least, { done, due }) => (done || due === null ? least : Math.min(least, due)),
      Number.POSITIVE_INFINITY,
    );

  async function pauseUntil(due: number): Promise<void> {
    const signal = AbortSignal.any([closed, nap.signal]);
    const woken = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    if (signal.aborted) return;
    if (due === Number.POSITIVE_INFINITY) await woken;
    else await sleep(clock, Math.max(0, due - clock.now()), signal).catch(() => {});
  }

  async function run(): Promise<void> {
    while (!closed.aborted) {
      nap = new AbortController();
      await pauseUntil(soonest());
      if (closed.aborted) return;
      await lookAtDue().catch((error) =>
        log.warn({ error: messageOf(error) }, 'old delivery states cannot be forgotten yet'),
      );
    }
  }

  return {
    async claim(sid, sendRequest) {
      const record = { sendRequest, at: clock.now() };
      entries.set(sid, { ...record, state: null, done: false, due: null });
      try {
        await driverState.putRecords(COLLECTION, [{ key: sid, value: record }]);
        if (entries.size > MOST) await prune();
      } catch (error) {
        log.warn({ sid, error: messageOf(error) }, 'a sent message could not be noted: its later states may be missed');
      }
    },
    owner: (sid) => entries.get(sid)?.sendRequest,
    follow(sid, known) {
      const entry = entries.get(sid);
      if (!entry || entry.done) return;
      entry.state = known;
      entry.due = nextLook(entry);
      nap.abort();
    },
    heard,
    ended: run(),
  };
}

/** A message as it is now; undefined when the account has none of that SID. */
export async function fetchSms(api: Api, sid: string, signal: AbortSignal): Promise<Sms | undefined> {
  try {
    return await api.call(signal, async ({ client }) => smsOf(await client.messages(sid).fetch()));
  } catch (error) {
    if (refusalOf(error).status === 404) return undefined;
    throw error;
  }
}
