// Owns telling the mailbox what became of its mails: wishes that come within a moment become one command.
// Never a plain EXPUNGE, which would also remove what other people have marked (RFC 4315, 2.1).
import { type Cancel, GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import { address } from './explain.js';
import { uidSet } from './identity.js';
import type { Link } from './link.js';
import type { Settings } from './settings.js';

export type Action =
  | { readonly do: 'flag'; readonly flags: readonly string[] }
  | { readonly do: 'move'; readonly to: string }
  | { readonly do: 'delete' };

export interface Settler {
  /** Resolves when the server has done it; a mail that is gone already counts as done. */
  settle(uid: number, action: Action): Promise<void>;
  /** Runs what waits, then takes nothing more. */
  close(): Promise<void>;
}

/** How long the first wish waits for company, ms. */
const GATHER_MS = 50;
/** So many go at once without waiting. */
const ENOUGH = 100;
/** Keeps the command line below what servers accept (8,000 octets are safe, RFC 7162, 4). */
const MOST_UIDS = 500;

interface Wish {
  readonly uid: number;
  readonly action: Action;
  done(): void;
  failed(error: unknown): void;
}

export function settler({ clock, settings }: GatewayContext<Settings>, link: Link): Settler {
  const wishes: Wish[] = [];
  let armed: Cancel | undefined;
  let running: Promise<void> | undefined;
  let closed = false;

  const work = async () => {
    while (wishes.length > 0) for (const group of grouped(wishes.splice(0, MOST_UIDS))) await grant(link, group);
    // In the same turn as the last look at the wishes: one that came in between would wait for ever.
    running = undefined;
  };
  const start = () => {
    armed?.();
    armed = undefined;
    if (wishes.length > 0) running ??= work();
  };
  return {
    settle(uid, action) {
      if (link.down || closed) return Promise.reject(link.down ?? closedError(settings));
      return new Promise<void>((done, failed) => {
        wishes.push({ uid, action, done, failed });
        if (running) return;
        if (wishes.length >= ENOUGH) start();
        else armed ??= clock.schedule(GATHER_MS, start);
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

function grouped(wishes: readonly Wish[]): Wish[][] {
  const groups = new Map<string, Wish[]>();
  for (const wish of wishes) {
    const name = JSON.stringify(wish.action);
    const group = groups.get(name);
    if (group) group.push(wish);
    else groups.set(name, [wish]);
  }
  return [...groups.values()];
}

async function grant(link: Link, group: readonly Wish[]): Promise<void> {
  const [first] = group;
  if (!first) return;
  const uids = [...new Set(group.map(({ uid }) => uid))].sort((a, b) => a - b);
  try {
    await perform(link, uidSet(uids), uids.length, first.action);
    for (const wish of group) wish.done();
  } catch (error) {
    for (const wish of group) wish.failed(error);
  }
}

/** UIDs that are gone are passed over by the server without a word (RFC 3501, 6.4.8), so a repeat is harmless. */
async function perform(link: Link, range: string, count: number, action: Action): Promise<void> {
  const mails = count === 1 ? 'a mail' : `${count} mails`;
  if (action.do === 'flag') return flag(link, range, action.flags, `marking ${mails} (${action.flags.join(' ')})`);
  if (action.do === 'delete') return remove(link, range, `deleting ${mails}`);
  const { to } = action;
  const what = `moving ${mails} to "${to}"`;
  if (link.has('MOVE')) {
    await link.demand(what, () => link.client.messageMove(range, to, { uid: true }));
    return;
  }
  // Without MOVE (RFC 6851) a crash between the two leaves a copy too many in the other folder, never one too few.
  await link.demand(what, () => link.client.messageCopy(range, to, { uid: true }));
  await remove(link, range, what);
}

async function flag(link: Link, range: string, flags: readonly string[], what: string): Promise<void> {
  await link.demand(what, () => link.client.messageFlagsAdd(range, [...flags], { uid: true, silent: true }));
}

/** Without UIDPLUS the mails only get the mark \Deleted: an EXPUNGE could not be limited to them. */
async function remove(link: Link, range: string, what: string): Promise<void> {
  if (!link.has('UIDPLUS')) return flag(link, range, ['\\Deleted'], what);
  await link.demand(what, () => link.client.messageDelete(range, { uid: true }));
}
