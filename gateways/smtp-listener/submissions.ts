// The mails whose clients wait for an answer. The states of a submission:
//   queued    the pipeline has not asked for it yet. Dropped when its last client has left
//   offered   the pipeline has it -> accepted, rejected or deferred
// Clients of a submission come and go: one that disconnects or waits longer than AckSeconds leaves, one that sends the same
// mail again joins. Only the pipeline's confirm gives 250, or a journal that has this very mail as confirmed.
import {
  type Clock,
  type DriverState,
  type InboundMessage,
  type InboundState,
  type RawMail,
  readWhatHasArrived,
} from '../../src/driver/contract.js';
import { type Envelope, type Identified, mailKeys } from './keys.js';
import type { SpoolFile } from './spool-file.js';

export type Verdict =
  | { kind: 'accepted' }
  /** The client keeps the mail and tries again. */
  | { kind: 'deferred'; reason: string }
  | { kind: 'rejected'; reason: string };

export interface ReceivedMail extends Identified {
  /** The mail as the client sent it. It belongs to the submissions from now on, which discard it. */
  readonly file: SpoolFile;
  /** The Received line that is put in front. */
  readonly line: Buffer;
  readonly receivedAt: number;
  readonly envelope: Envelope;
  /** Aborts when the client has disconnected. */
  readonly gone: AbortSignal;
}

export interface Submissions {
  /** Resolves with the answer for the client, after AckSeconds at the latest. */
  submit(mail: ReceivedMail): Promise<Verdict>;
  inboundMessages(signal: AbortSignal): AsyncGenerator<InboundMessage>;
  /** Clients that wait for an answer. */
  readonly waiting: number;
  /** Defers every waiting client, and every one that comes later. */
  close(): void;
}

interface Submission {
  readonly key: string;
  /** Null when only the confirmation is missing. */
  readonly mail: ReceivedMail | null;
  readonly clients: Set<(verdict: Verdict) => void>;
}

interface State {
  readonly clock: Clock;
  readonly driverState: DriverState;
  readonly ackMs: number;
  /** Every submission by key: queued ones are bounded by MaxConnections, offered ones by the window of the gateway. */
  readonly open: Map<string, Submission>;
  readonly queue: Submission[];
  closed: boolean;
  /** Wakes the waiting `inboundMessages`. */
  wake(): void;
}

const SHUTTING_DOWN: Verdict = { kind: 'deferred', reason: 'shutting down' };
const NOT_NOW: Verdict = { kind: 'deferred', reason: 'it cannot be accepted now' };
const NOT_ACCEPTED: Verdict = { kind: 'rejected', reason: 'the mail was not accepted' };
const REJECTED_BEFORE: Verdict = { kind: 'rejected', reason: 'this mail was rejected before' };
/** The error itself is not for strangers to read. */
const LOCAL_FAULT: Verdict = { kind: 'deferred', reason: 'local error in processing' };

export function openSubmissions(clock: Clock, driverState: DriverState, ackMs: number): Submissions {
  const state: State = { clock, driverState, ackMs, open: new Map(), queue: [], closed: false, wake() {} };
  const keys = mailKeys(clock);
  return {
    get waiting() {
      return [...state.open.values()].reduce((sum, { clients }) => sum + clients.size, 0);
    },
    async submit(mail) {
      const key = keys.of(mail);
      const joined = await join(state, mail, key).catch(() => ({ verdict: LOCAL_FAULT, owner: null }));
      if (joined.owner !== mail) await mail.file.discard();
      const verdict = await joined.verdict;
      keys.answered(mail, key, verdict.kind !== 'deferred' && !mail.gone.aborted);
      return verdict;
    },
    inboundMessages: (signal) => inboundMessages(state, signal),
    close() {
      state.closed = true;
      for (const submission of [...state.open.values()]) settle(state, submission, SHUTTING_DOWN);
      state.wake();
    },
  };
}

interface Joined {
  /** The client waits for it from the turn on in which its submission was found: one that ends later tells it. */
  readonly verdict: Verdict | Promise<Verdict>;
  /** The mail whose file the submission has. */
  readonly owner: ReceivedMail | null;
}

/** Joins or opens the submission of this mail; or gives the verdict that the journal knows already. */
async function join(state: State, mail: ReceivedMail, key: string): Promise<Joined> {
  const known = (await state.driverState.statesOf([key])).get(key);
  if (state.closed) return { verdict: SHUTTING_DOWN, owner: null };
  if (known === 'confirmed' || known === 'skipped') return { verdict: { kind: 'accepted' }, owner: null };
  if (known === 'quarantined') return { verdict: REJECTED_BEFORE, owner: null };
  const submission = state.open.get(key) ?? queued(state, mail, key, known);
  return { verdict: verdictOf(state, submission, mail.gone), owner: submission.mail };
}

function queued(state: State, mail: ReceivedMail, key: string, known: InboundState | undefined): Submission {
  const submission: Submission = { key, mail: known === 'acknowledged' ? null : mail, clients: new Set() };
  state.open.set(key, submission);
  state.queue.push(submission);
  state.wake();
  return submission;
}

/** The last client that leaves takes a queued mail out of the queue. */
function verdictOf(state: State, submission: Submission, gone: AbortSignal): Promise<Verdict> {
  return new Promise((resolve) => {
    const answer = (verdict: Verdict) => {
      disarm();
      gone.removeEventListener('abort', leave);
      submission.clients.delete(answer);
      if (submission.clients.size === 0 && state.queue.includes(submission)) settle(state, submission, verdict);
      resolve(verdict);
    };
    const leave = () => answer({ kind: 'deferred', reason: 'the client has disconnected' });
    const late = () => answer({ kind: 'deferred', reason: 'not processed in time' });
    const disarm = state.clock.schedule(state.ackMs, () => void readWhatHasArrived().then(late));
    gone.addEventListener('abort', leave, { once: true });
    submission.clients.add(answer);
    if (gone.aborted) leave();
  });
}

function settle(state: State, submission: Submission, verdict: Verdict): void {
  if (state.open.get(submission.key) === submission) state.open.delete(submission.key);
  const at = state.queue.indexOf(submission);
  if (at >= 0) {
    state.queue.splice(at, 1);
    void submission.mail?.file.discard();
  }
  for (const answer of submission.clients) answer(verdict);
}

async function* inboundMessages(state: State, signal: AbortSignal): AsyncGenerator<InboundMessage> {
  const stop = () => state.wake();
  signal.addEventListener('abort', stop);
  try {
    while (!signal.aborted) {
      const next = state.queue.shift();
      if (next) {
        const message = await inboundMessageOf(state, next);
        if (message) yield message;
      } else
        await new Promise<void>((resolve) => {
          state.wake = resolve;
        });
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/**
 * The fingerprint is the key: both come from the mail as the client sent it, not from the Received line added here. Undefined
 * when the mail cannot be read back: its client has been told to send it again.
 */
async function inboundMessageOf(state: State, submission: Submission): Promise<InboundMessage | undefined> {
  const { key, mail } = submission;
  const content = await contentOf(mail).catch(() => undefined);
  if (content === undefined) {
    settle(state, submission, LOCAL_FAULT);
    return undefined;
  }
  return {
    key,
    fingerprint: key,
    content,
    bytes: content?.raw.length ?? 0,
    confirm: async () => settle(state, submission, { kind: 'accepted' }),
    // Their reasons may name files and errors of this machine.
    reject: async () => settle(state, submission, NOT_ACCEPTED),
    defer: async () => settle(state, submission, NOT_NOW),
  };
}

async function contentOf(mail: ReceivedMail | null): Promise<RawMail | null> {
  if (!mail) return null;
  const { file, line, receivedAt, envelope } = mail;
  try {
    return { kind: 'mail', raw: await file.read(line), receivedAt, envelope };
  } finally {
    await file.discard();
  }
}
