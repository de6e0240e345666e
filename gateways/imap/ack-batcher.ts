// Confirms and rejects mails in the mailbox. Actions that are requested within a moment become one command.
import { type Cancel, GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import type { Connection } from './connection.js';
import { address } from './errors.js';
import { type Action, type MailboxChanges, mailboxChanges } from './mailbox-changes.js';
import { Refused } from './refusals.js';
import type { Settings } from './settings.js';

type Context = GatewayContext<Settings>;

export interface AckBatcher {
  /** Resolves when the server has done it; a mail that is gone already counts as done. */
  apply(uid: number, action: Action): Promise<void>;
  /** Runs what is pending; everything that is asked for afterwards fails. */
  close(): Promise<void>;
}

/** How long the first action waits for others, ms. */
const GATHER_MS = 50;
/** So many pending actions are run at once without waiting. */
const FULL_BATCH = 100;
/** Keeps the command below what servers accept (8,000 octets are safe, RFC 7162, 4). */
const MAX_UIDS = 500;

interface PendingAction {
  readonly uid: number;
  readonly action: Action;
  done(): void;
  failed(error: unknown): void;
}

/** `pending` is bounded by the window of unacknowledged messages of the gateway. */
export function ackBatcher(context: Context, connection: Connection): AckBatcher {
  const { clock, settings } = context;
  const mailbox = mailboxChanges(context, connection);
  const pending: PendingAction[] = [];
  let timer: Cancel | undefined;
  let running: Promise<void> | undefined;
  let closed = false;

  const work = async () => {
    while (pending.length > 0)
      for (const batch of batchesOf(pending.splice(0, MAX_UIDS))) await runBatch(context, mailbox, batch);
    // In the same turn as the last check of `pending`: an action that came in between would wait for ever.
    running = undefined;
  };
  const start = () => {
    timer?.();
    timer = undefined;
    if (pending.length > 0) running ??= work();
  };
  return {
    apply(uid, action) {
      if (connection.down || closed) return Promise.reject(connection.down ?? closedError(settings));
      return new Promise<void>((done, failed) => {
        pending.push({ uid, action, done, failed });
        if (running) return;
        if (pending.length >= FULL_BATCH) start();
        else timer ??= clock.schedule(GATHER_MS, start);
      });
    },
    async close() {
      closed = true;
      start();
      await running;
    },
  };
}

function closedError(settings: Settings): GatepostError {
  return new GatepostError('gateway/closed', `the connection to ${address(settings)} was closed`);
}

/** One batch per kind of action. */
function batchesOf(actions: readonly PendingAction[]): PendingAction[][] {
  const batches = new Map<string, PendingAction[]>();
  for (const pending of actions) {
    const name = JSON.stringify(pending.action);
    const batch = batches.get(name);
    if (batch) batch.push(pending);
    else batches.set(name, [pending]);
  }
  return [...batches.values()];
}

async function runBatch(context: Context, mailbox: MailboxChanges, batch: readonly PendingAction[]): Promise<void> {
  const [first] = batch;
  if (!first) return;
  const uids = [...new Set(batch.map(({ uid }) => uid))].sort((a, b) => a - b);
  const about = first.action.do === 'flag' ? 'flagging' : 'removing';
  try {
    await mailbox.perform(uids, first.action);
    context.reportProblem(about, null);
    for (const { done } of batch) done();
  } catch (error) {
    // A lost connection shows by itself; a server that goes on and refuses does not.
    if (error instanceof Refused)
      context.reportProblem(about, `what was received cannot be confirmed in the mailbox: ${error.message}`);
    for (const { failed } of batch) failed(error);
  }
}
