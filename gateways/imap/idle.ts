// The quiet time of a mailbox: IDLE (RFC 2177), entered again at once after every interruption. Besides, the gateway polls
// every PollSeconds, because some servers stop announcing without saying so, and others never announce at all.
import { GatepostError } from '../../src/driver/contract.js';
import { type AskOptions, TRIVIAL_MS } from './connection.js';
import { mailboxRefOf, selectFolder } from './folders.js';
import type { Session } from './session.js';

/** IDLE, and the selection of the folder, are renewed at least this often, ms. RFC 2177 allows 29 min; middleboxes less. */
const REISSUE_MS = 10 * 60_000;

/** 'announced': the server announced mail. 'poll': the time to poll has come, and the server has answered. */
export async function waitForMail(session: Session, signal: AbortSignal): Promise<'announced' | 'poll'> {
  const { clock, settings } = session.context;
  const end = clock.monotonic() + Math.min(settings.PollSeconds * 1000, REISSUE_MS);
  for (;;) {
    if (session.connection.announced) return 'announced';
    const event = await nextEvent(session, end - clock.monotonic(), signal);
    if (event === 'announced') return 'announced';
    if (event === 'time to poll') {
      await checkAlive(session, { signal, silence: TRIVIAL_MS });
      return 'poll';
    }
    if (event === 'idle rejected') {
      session.usesIdle = false;
      const { folder } = session.mailboxRef;
      session.context.log.warn({ folder, next: 'the folder is polled every PollSeconds' }, 'server rejects IDLE');
    }
  }
}

/** 'idle ended': a command of this driver broke it, or the server did. */
type Event = 'announced' | 'time to poll' | 'idle ended' | 'idle rejected';

function nextEvent({ connection, context, usesIdle }: Session, ms: number, signal: AbortSignal): Promise<Event> {
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
