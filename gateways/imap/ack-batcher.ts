// Confirms and rejects mails in the mailbox. Actions that are requested within a moment become one command.
// Never a plain EXPUNGE, which would also remove what other users have marked as deleted (RFC 4315, 2.1).
import { type Cancel, GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import type { Connection } from './connection.js';
import { address } from './errors.js';
import { uidSet } from './identity.js';
import type { Settings } from './settings.js';

export type Action =
  | { readonly do: 'flag'; readonly flags: readonly string[] }
  | { readonly do: 'move'; readonly to: string }
  | { readonly do: 'delete' };

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
export function ackBatcher({ clock, settings }: GatewayContext<Settings>, connection: Connection): AckBatcher {
  const pending: PendingAction[] = [];
  let timer: Cancel | undefined;
  let running: Promise<void> | undefined;
  let closed = false;

  const work = async () => {
    while (pending.length > 0)
      for (const batch of batchesOf(pending.splice(0, MAX_UIDS))) await runBatch(connection, batch);
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

async function runBatch(connection: Connection, batch: readonly PendingAction[]): Promise<void> {
  const [first] = batch;
  if (!first) return;
  const uids = [...new Set(batch.map(({ uid }) => uid))].sort((a, b) => a - b);
  try {
    await perform(connection, uidSet(uids), uids.length, first.action);
    for (const { done } of batch) done();
  } catch (error) {
    for (const { failed } of batch) failed(error);
  }
}

/** The server passes over UIDs that are gone (RFC 3501, 6.4.8), so a repeat is harmless. */
async function perform(connection: Connection, range: string, count: number, action: Action): Promise<void> {
  const mails = count === 1 ? 'a mail' : `${count} mails`;
  if (action.do === 'flag')
    return flag(connection, range, action.flags, `marking ${mails} (${action.flags.join(' ')})`);
  if (action.do === 'delete') return remove(connection, range, `deleting ${mails}`);
  const { to } = action;
  const what = `moving ${mails} to "${to}"`;
  if (connection.has('MOVE')) {
    await connection.demand(what, () => connection.client.messageMove(range, to, { uid: true }));
    return;
  }
  // Without MOVE (RFC 6851) a crash between the two leaves a copy too many in the other folder, never one too few.
  await connection.demand(what, () => connection.client.messageCopy(range, to, { uid: true }));
  await remove(connection, range, what);
}

async function flag(connection: Connection, range: string, flags: readonly string[], what: string): Promise<void> {
  const work = () => connection.client.messageFlagsAdd(range, [...flags], { uid: true, silent: true });
  await connection.demand(what, work);
}

/** Without UIDPLUS the mails only get the flag \\Deleted: an EXPUNGE could not be limited to them. */
async function remove(connection: Connection, range: string, what: string): Promise<void> {
  if (!connection.has('UIDPLUS')) return flag(connection, range, ['\\Deleted'], what);
  await connection.demand(what, () => connection.client.messageDelete(range, { uid: true }));
}
