// The mail server answers, but it hands nothing out. The state of a gateway, which outlives its sessions:
//   well      the last look brought what was asked for
//   trouble   so many looks in a row brought nothing -> the next one follows after a pause that grows; every few looks on a new
//             connection, because some servers lose the mailbox behind a connection and never find it again
import { GatepostError } from '../../src/driver/contract.js';
import { address } from './errors.js';
import type { Refused } from './refusals.js';
import type { Session } from './session.js';

/** The pauses between two looks in trouble, ms: doubled each time. */
const PAUSE = { first: 5_000, longest: 60_000 };
/** So many looks in trouble use one connection. */
const LOOKS_PER_CONNECTION = 4;

export interface Trouble {
  /** Looks in a row that brought nothing. */
  looks: number;
  /** What is shown of it. */
  problem: string;
}

export function troubleOf({ context }: Pick<Session, 'context'>): Trouble {
  return context.shared(`trouble of ${context.gateway.id}`, () => ({ looks: 0, problem: '' }));
}

/** A new session shows at once what the last one ended with. */
export function resumeTrouble(session: Pick<Session, 'context'>): void {
  const { looks, problem } = troubleOf(session);
  if (looks > 0) session.context.reportProblem('server', problem);
}

export function endTrouble(session: Session): void {
  const trouble = troubleOf(session);
  if (trouble.looks > 0) {
    const { folder } = session.mailboxRef;
    session.context.log.info({ folder, looks: trouble.looks }, 'mail server hands out mail again');
  }
  Object.assign(trouble, { looks: 0, problem: '' });
  session.context.reportProblem('server', null);
}

/** Shows the trouble and waits until the next look is due. Throws when that look is to use a new connection. */
export async function waitInTrouble(session: Session, error: Refused, signal: AbortSignal): Promise<void> {
  const { context, mailboxRef } = session;
  const trouble = troubleOf(session);
  trouble.looks += 1;
  trouble.problem = `${address(context.settings)} hands out no mail of "${mailboxRef.folder}": ${error.answer.words || error.answer.status}; Gatepost tries again, at least once a minute`;
  context.reportProblem('server', trouble.problem);
  const ms = pauseAfter(trouble.looks);
  context.log.warn({ folder: mailboxRef.folder, err: error.message, retry_in_ms: ms }, 'mail server hands out nothing');
  await pause(session, ms, signal);
  if (trouble.looks % LOOKS_PER_CONNECTION === 0)
    throw new GatepostError('gateway/refused', error.message, { advice: error.advice ?? '', cause: error });
}

export function pauseAfter(looks: number): number {
  return Math.min(PAUSE.longest, PAUSE.first * 2 ** Math.min(20, looks - 1));
}

/** Resolves after `ms`; rejects when the connection ends or the signal aborts. */
export function pause({ connection, context }: Session, ms: number, signal: AbortSignal): Promise<void> {
  if (connection.down) return Promise.reject(connection.down);
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const leave = () => {
      disarm();
      unsubscribe();
      signal.removeEventListener('abort', abandon);
    };
    const fail = (error: unknown) => {
      leave();
      reject(error);
    };
    const abandon = () => fail(signal.reason);
    const disarm = context.clock.schedule(ms, () => {
      leave();
      resolve();
    });
    const unsubscribe = connection.subscribe(() => {}, fail);
    signal.addEventListener('abort', abandon, { once: true });
  });
}
