// One request, one answer. Every request is a debt until its answer is written.
//
// owed -> written          on the connection of the request, or on a later one
// owed -> taken over       the server repeats the request on a newer connection: the new debt stands for the old one too
// owed -> given up         the server does not wait any longer (SEND_LIMIT_MS), or the process ends; the server will repeat the request,
//                          and the answer to the repeat stands for this one too
// A debt of an older connection waits a moment after the login, because a server that repeats its requests does so at once.
import type { Journal } from '../../journal/types/journal.js';
import { type Clock, isoTime, type Random, sleep } from '../../kit/clock.js';
import { type Deadline, deadline } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { retry } from '../../kit/retry.js';
import { MSG, SEND_LIMIT_MS } from '../../simprot/messages.js';
import type { SendResult } from '../gateways/gateway.js';
import type { ServerLink } from '../server/link.js';

export interface RepliesDeps {
  clock: Clock;
  random: Random;
  log: Log;
  serverLink: ServerLink;
  journal: Pick<Journal, 'answered' | 'outboundMessage'>;
  /** Aborts when the service ends and no answer can be written any more. */
  signal: AbortSignal;
}

export interface Debt {
  readonly messageId: string;
  readonly gatewayId: string | null;
  /** When the request came, monotonic ms. */
  readonly since: number;
}

export interface Replies {
  /** A new connection to the server. */
  connected(): void;
  /** A request of the present connection. */
  owe(request: Debt): Debt;
  /** A request of an earlier process. */
  oweFromBefore(request: Debt, owed: number): Debt;
  /** The journal counts the request as one that is owed an answer. */
  counted(debt: Debt): void;
  /** Resolves with true when the answer may be written, with false when it is taken over or given up; never rejects. */
  untilTurn(debt: Debt): Promise<boolean>;
  /** Writes the answer. Resolves when it is written, taken over or given up; never rejects. */
  answer(debt: Debt, result: SendResult): Promise<void>;
}

/** After a login the server has this long to repeat a request before the answer to its earlier one is written, ms. */
const REPEAT_MS = 1_000;
const AFTER_BROKEN_WRITE_MS = 100;
/** A journal that does not say in this time, ms, whether the message was sent meanwhile does not hold up the answer. */
const LATEST_MS = 1_000;
/** A journal that cannot note an answer is asked again for about five minutes; the answer is given again after a restart. */
const NOTE_RETRIES = 12;
const NOTE_BACKOFF = { first: 500, longest: 30_000 };

/** Messages whose given-up answers are remembered; of more, the journal shows requests without an answer until the next start. */
const MOST_GIVEN_UP = 10_000;

/** The connection of requests of an earlier process: older than the first one. */
const BEFORE = -1;

interface Entry extends Debt {
  connection: number;
  /** Requests in the journal that the answer stands for. */
  owed: number;
  takenOver: AbortController;
  heir: Entry | undefined;
}

export function createReplies(deps: RepliesDeps): Replies {
  return new ReplyBook(deps);
}

class ReplyBook implements Replies {
  readonly #deps: RepliesDeps;
  /** Open debts; bounded by the requests that the server waits for. */
  readonly #open = new Map<string, Set<Entry>>();
  /** Requests whose answer was given up, by message. */
  readonly #givenUp = new Map<string, number>();
  #connection = 0;
  #connectedAt = 0;

  constructor(deps: RepliesDeps) {
    this.#deps = deps;
  }

  connected(): void {
    this.#connection += 1;
    this.#connectedAt = this.#deps.clock.monotonic();
  }

  owe(request: Debt): Debt {
    return this.#enter(request, this.#connection, 0);
  }

  oweFromBefore(request: Debt, owed: number): Debt {
    return this.#enter(request, BEFORE, owed);
  }

  #enter(request: Debt, connection: number, owed: number): Entry {
    const unpaid = this.#givenUp.get(request.messageId) ?? 0;
    this.#givenUp.delete(request.messageId);
    const entry: Entry = {
      ...request,
      connection,
      owed: owed + unpaid,
      takenOver: new AbortController(),
      heir: undefined,
    };
    const open = this.#open.get(request.messageId) ?? new Set();
    for (const other of open) if (other.connection < connection) inherit(other, entry);
    const newer = [...open].find((other) => other.connection > connection);
    if (newer) inherit(entry, newer);
    this.#open.set(request.messageId, open.add(entry));
    return entry;
  }

  counted(debt: Debt): void {
    const entry = this.#entry(debt);
    if (entry) heirOf(entry).owed += 1;
  }

  async answer(debt: Debt, result: SendResult): Promise<void> {
    const entry = this.#entry(debt);
    if (!entry) return;
    const { log } = this.#deps;
    const due = this.#dueOf(entry);
    try {
      const written = await this.#write(entry, result, due.signal);
      // A repeat that comes from now on has its own answer and inherits nothing.
      this.#close(entry);
      await this.#note(entry, written);
    } catch (error) {
      const fields = { message_id: entry.messageId, err: messageOf(error) };
      if (entry.heir) log.debug(fields, 'answer is taken over by a repeat');
      else {
        log.error(fields, 'answer could not be written in time');
        this.#giveUp(entry);
      }
    } finally {
      due.dispose();
      this.#close(entry);
    }
  }

  async untilTurn(debt: Debt): Promise<boolean> {
    const entry = this.#entry(debt);
    if (!entry) return false;
    const due = this.#dueOf(entry);
    return this.#turn(entry, due.signal)
      .then(
        () => true,
        () => false,
      )
      .finally(due.dispose);
  }

  #dueOf(entry: Entry): Deadline {
    const { clock, signal } = this.#deps;
    const left = Math.max(0, SEND_LIMIT_MS - (clock.monotonic() - entry.since));
    return deadline(clock, left, AbortSignal.any([signal, entry.takenOver.signal]));
  }

  #giveUp({ messageId, owed }: Entry): void {
    if (owed === 0) return;
    const [oldest] = this.#givenUp.keys();
    if (this.#givenUp.size >= MOST_GIVEN_UP && oldest !== undefined) this.#givenUp.delete(oldest);
    this.#givenUp.set(messageId, (this.#givenUp.get(messageId) ?? 0) + owed);
  }

  /** The link is up, and the server has had its time to repeat the request. Resolves with the connection that this is true of. */
  async #turn(entry: Entry, signal: AbortSignal): Promise<number> {
    const { clock, serverLink } = this.#deps;
    for (;;) {
      await serverLink.untilUp(signal);
      signal.throwIfAborted();
      const wait = this.#connectedAt + REPEAT_MS - clock.monotonic();
      if (entry.connection === this.#connection || wait <= 0) return this.#connection;
      await sleep(clock, wait, signal);
    }
  }

  async #write(entry: Entry, result: SendResult, signal: AbortSignal): Promise<SendResult> {
    const { clock, log, serverLink } = this.#deps;
    for (;;) {
      const connection = await this.#turn(entry, signal);
      const answer = await this.#latest(entry, result);
      signal.throwIfAborted();
      // On a newer connection the server may be about to repeat the request.
      if (connection !== this.#connection) continue;
      try {
        await serverLink.send(MSG.sent, commandOf(entry, answer, clock.now()));
        return answer;
      } catch (error) {
        log.debug({ message_id: entry.messageId, err: messageOf(error) }, 'link went down while answering');
        await sleep(clock, AFTER_BROKEN_WRITE_MS, signal);
      }
    }
  }

  /** What the journal knows at the moment of writing: a late outcome or a receipt may have made it a success. */
  async #latest(entry: Entry, result: SendResult): Promise<SendResult> {
    if (result.error === null) return result;
    const { clock, journal } = this.#deps;
    const due = deadline(clock, LATEST_MS);
    const message = await due.race(journal.outboundMessage(entry.messageId), 'the journal').catch(() => null);
    due.dispose();
    return message?.state === 'sent' ? { error: null, deliverySystemId: message.deliverySystemId } : result;
  }

  /** The first try is awaited; further ones go on in the background. */
  async #note({ messageId, owed }: Entry, { error }: SendResult): Promise<void> {
    if (owed === 0) return;
    const { clock, random, log, journal, signal } = this.#deps;
    const note = () => journal.answered(messageId, error, owed);
    await note().catch((fault) => {
      log.warn({ message_id: messageId, err: messageOf(fault) }, 'answer could not be noted yet');
      void retry(note, { clock, random, signal, retries: NOTE_RETRIES, backoff: NOTE_BACKOFF }).catch((last) =>
        log.error({ message_id: messageId, err: messageOf(last) }, 'answer could not be noted'),
      );
    });
  }

  #entry(debt: Debt): Entry | undefined {
    return [...(this.#open.get(debt.messageId) ?? [])].find((entry) => entry === debt);
  }

  #close(entry: Entry): void {
    const open = this.#open.get(entry.messageId);
    open?.delete(entry);
    if (open?.size === 0) this.#open.delete(entry.messageId);
  }
}

/** `heir` answers for `debt`. */
function inherit(debt: Entry, heir: Entry): void {
  if (debt.heir) return;
  debt.heir = heir;
  heir.owed += debt.owed;
  debt.owed = 0;
  debt.takenOver.abort(new Error('the server has repeated the request on a newer connection'));
}

function heirOf(entry: Entry): Entry {
  let last = entry;
  while (last.heir) last = last.heir;
  return last;
}

function commandOf({ messageId, gatewayId }: Debt, answer: SendResult, now: number) {
  return {
    Id: messageId,
    RefId: gatewayId,
    Reference: answer.error === null ? answer.deliverySystemId : null,
    Data: answer.error,
    TimeStamp: isoTime(now),
  };
}
