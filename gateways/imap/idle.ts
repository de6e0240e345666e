// The quiet time of a mailbox: IDLE (RFC 2177), entered again at once after every interruption. Besides, the gateway polls
// every PollSeconds, because some servers stop announcing without saying so, and others never announce at all.
import { GatepostError } from '../../src/driver/contract.js';
import { type AskOptions, TRIVIAL_MS } from './connection.js';
import { mailboxRefOf, selectFolder } from './folders.js';
import type { Session } from './session.js';
import { restOf } from './suspects.js';

/** IDLE, and the selection of the folder, are renewed at least this often, ms. RFC 2177 allows 29 min; middleboxes less. */
const REISSUE_MS = 10 * 60_000;

/** An IDLE that the server ends by itself before it lasted this long, ms, was of no use. */
const SHORT_IDLE_MS = 10_000;
/** The pause after the first useless IDLE, ms, doubled after each further one; after so many the folder is polled. */
const FIRST_PAUSE_MS = 1_000;
const USELESS_IDLES = 5;

/** 'announced': the server announced mail. 'poll': the time to poll, or to fetch a resting mail, has come. */
export async function waitForMail(session: Session, signal: AbortSignal): Promise<'announced' | 'poll'> {
  const { clock, settings } = session.context;
  const end = clock.monotonic() + Math.min(settings.PollSeconds * 1000, REISSUE_MS, untilRested(session));
  for (;;) {
    if (session.connection.announced) return 'announced';
    const start = clock.monotonic();
    const { commands } = session.connection;
    const event = await nextEvent(session, end - start, signal, session.usesIdle);
    if (event === 'announced') return 'announced';
    if (event === 'time to poll') {
      await checkAlive(session, { signal, silence: TRIVIAL_MS });
      return 'poll';
    }
    if (event === 'idle rejected') pollOnly(session, 'server rejects IDLE');
    else if (session.connection.commands === commands) await afterIdle(session, clock.monotonic() - start, signal);
  }
}

/** Ms until the first of the mails that rest may be fetched again. */
function untilRested(session: Session): number {
  const resting = [...session.mails]
    .filter(([, state]) => state === 'unfetchable')
    .map(([uid]) => restOf(session, uid));
  return Math.max(FIRST_PAUSE_MS, Math.min(Number.POSITIVE_INFINITY, ...resting));
}

/** The server ended IDLE by itself. A pause, or it would be entered again as fast as the network allows. */
async function afterIdle(session: Session, lastedMs: number, signal: AbortSignal): Promise<void> {
  session.uselessIdles = lastedMs >= SHORT_IDLE_MS ? 0 : session.uselessIdles + 1;
  if (session.uselessIdles === 0) return;
  if (session.uselessIdles >= USELESS_IDLES) return pollOnly(session, 'server ends IDLE at once');
  await nextEvent(session, FIRST_PAUSE_MS * 2 ** (session.uselessIdles - 1), signal, false);
}

function pollOnly(session: Session, event: string): void {
  session.usesIdle = false;
  const { folder } = session.mailboxRef;
  session.context.log.warn({ folder, next: 'the folder is polled every PollSeconds' }, event);
}

/** 'idle ended': a command of this driver broke it, or the server did. */
type Event = 'announced' | 'time to poll' | 'idle ended' | 'idle rejected';

function nextEvent(
  { connection, context }: Session,
  ms: number,
  signal: AbortSignal,
  usesIdle: boolean,
): Promise<Event> {
  if (connection.down) return Promise.reject(connection.down);
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const leave = () => {
      disarm();
      unsubscribe();
      signal.removeEventListener('abort', abandon);
    };
    const end = (event: Event) => {
      leave();
      resolve(event);
    };
    const fail = (reason: unknown) => {
      leave();
      reject(reason);
    };
    const abandon = () => fail(signal.reason);
    const disarm = context.clock.schedule(ms, () => end('time to poll'));
    const unsubscribe = connection.subscribe(() => end('announced'), fail);
    signal.addEventListener('abort', abandon, { once: true });
    if (!usesIdle) return;
    connection.client.idle().then(
      (result) => end(result === false ? 'idle rejected' : 'idle ended'),
      () => end('idle ended'),
    );
  });
}

/**
 * NOOP, or a new selection of the folder when the last one is long ago: only a selection shows a changed UIDVALIDITY on
 * servers that do not end the sessions of a mailbox that was replaced.
 */
async function checkAlive(session: Session, options: AskOptions): Promise<void> {
  const { connection, context, mailboxRef } = session;
  if (context.clock.monotonic() - session.selectedAt < REISSUE_MS)
    return connection.ask('NOOP', () => connection.client.noop(), options);
  const mailbox = await selectFolder(connection, context.settings, options);
  session.selectedAt = context.clock.monotonic();
  const { uidValidity } = mailboxRefOf(context.settings, mailbox);
  if (uidValidity === mailboxRef.uidValidity) return;
  const error = new GatepostError(
    'gateway/renumbered',
    `UIDVALIDITY of "${mailboxRef.folder}" changed from ${mailboxRef.uidValidity} to ${uidValidity}`,
    { advice: 'Gatepost opens the mailbox again and matches the mails by their fingerprints.' },
  );
  // Nothing may be confirmed under the old numbers any more.
  connection.fail(error);
  throw error;
}
