// What confirming does in the folder: flags, moves, deletions. Servers that announce MOVE or UID EXPUNGE and refuse it get the
// older commands that do the same.
// Never a plain EXPUNGE, which would also remove what other users have marked as deleted (RFC 4315, 2.1).
import type { GatewayContext } from '../../src/driver/contract.js';
import type { Connection } from './connection.js';
import { uidSet } from './identity.js';
import { isServersTrouble, Refused } from './refusals.js';
import type { Settings } from './settings.js';

export type Action =
  | { readonly do: 'flag'; readonly flags: readonly string[] }
  | { readonly do: 'move'; readonly to: string }
  | { readonly do: 'delete' };

export interface MailboxChanges {
  /** The server passes over UIDs that are gone (RFC 3501, 6.4.8), so a repeat is harmless. */
  perform(uids: readonly number[], action: Action): Promise<void>;
}

interface State {
  readonly connection: Connection;
  readonly log: GatewayContext<Settings>['log'];
  /** Commands that the server announces and refuses; forgotten with the session. */
  readonly refused: Set<'MOVE' | 'UID EXPUNGE'>;
  /** Mails that were copied and are not removed yet: a repeat must not copy them again. Bounded by the mails in the folder. */
  readonly copied: Set<string>;
}

export function mailboxChanges({ log }: GatewayContext<Settings>, connection: Connection): MailboxChanges {
  const state: State = { connection, log, refused: new Set(), copied: new Set() };
  return { perform: (uids, action) => perform(state, uids, action) };
}

async function perform(state: State, uids: readonly number[], action: Action): Promise<void> {
  const mails = uids.length === 1 ? 'a mail' : `${uids.length} mails`;
  if (action.do === 'flag') return flag(state, uids, action.flags, `marking ${mails} (${action.flags.join(' ')})`);
  if (action.do === 'delete') return remove(state, uids, `deleting ${mails}`);
  const what = `moving ${mails} to "${action.to}"`;
  if (await move(state, uids, action.to, what)) return;
  // Without MOVE (RFC 6851) a crash between the two leaves a copy too many in the other folder, never one too few.
  await copy(state, uids, action.to, what);
  await remove(state, uids, what);
  for (const uid of uids) state.copied.delete(copyOf(uid, action.to));
}

/** Codes of a MOVE for which COPY would be refused as well. */
const COPY_FAILS_TOO: ReadonlySet<string> = new Set(['TRYCREATE', 'NONEXISTENT', 'OVERQUOTA', 'CANNOT']);

/** False when MOVE is of no use here. What a refused MOVE has moved already is gone from the folder, so COPY passes it over. */
async function move({ connection, refused, log }: State, uids: readonly number[], to: string, what: string) {
  if (!connection.has('MOVE') || refused.has('MOVE')) return false;
  try {
    await connection.demand(what, () => connection.client.messageMove(uidSet(uids), to, { uid: true }));
    return true;
  } catch (error) {
    if (!(error instanceof Refused) || isServersTrouble(error.answer) || COPY_FAILS_TOO.has(error.answer.code))
      throw error;
    refused.add('MOVE');
    log.warn({ err: error.message, next: 'mails are copied and deleted' }, 'server refuses MOVE');
    return false;
  }
}

async function copy({ connection, copied }: State, uids: readonly number[], to: string, what: string): Promise<void> {
  const missing = uids.filter((uid) => !copied.has(copyOf(uid, to)));
  if (missing.length === 0) return;
  await connection.demand(what, () => connection.client.messageCopy(uidSet(missing), to, { uid: true }));
  for (const uid of missing) copied.add(copyOf(uid, to));
}

function copyOf(uid: number, folder: string): string {
  return `${uid} ${folder}`;
}

async function flag({ connection }: State, uids: readonly number[], flags: readonly string[], what: string) {
  const work = () => connection.client.messageFlagsAdd(uidSet(uids), [...flags], { uid: true, silent: true });
  await connection.demand(what, work);
}

/** Without UIDPLUS the mails only get the flag \\Deleted: an EXPUNGE could not be limited to them. */
async function remove(state: State, uids: readonly number[], what: string): Promise<void> {
  const { connection, refused, log } = state;
  if (!connection.has('UIDPLUS') || refused.has('UID EXPUNGE')) return flag(state, uids, ['\\Deleted'], what);
  try {
    await connection.demand(what, () => connection.client.messageDelete(uidSet(uids), { uid: true }));
  } catch (error) {
    if (!(error instanceof Refused) || isServersTrouble(error.answer)) throw error;
    // The library marks and expunges in one call. Where only the second part fails, the mark is what a server can do.
    await flag(state, uids, ['\\Deleted'], what);
    refused.add('UID EXPUNGE');
    log.warn({ err: error.message, next: 'mails keep the mark \\Deleted' }, 'server refuses UID EXPUNGE');
  }
}
