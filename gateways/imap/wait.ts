// Owns the quiet time of a mailbox: IDLE (RFC 2177), entered again at once after every interruption, with a look of
// our own every PollSeconds, because some servers go silent without saying so, and others never push at all.
import { GatepostError } from '../../src/driver/contract.js';
import { type AskOptions, TRIVIAL_MS } from './link.js';
import { placeOf, type Session, selectFolder } from './session.js';

/** IDLE is begun anew, and the folder selected anew, at least this often, ms. RFC 2177 allows 29 min; middleboxes less. */
const REISSUE_MS = 10 * 60_000;

/** 'news': the server announced mail. 'look': it is time for a look, and the server has answered. */
export async function waitForReceipts(session: Session, signal: AbortSignal): Promise<'news' | 'look'> {
  const { clock, settings } = session.context;
  const until = clock.monotonic() + Math.min(settings.PollSeconds * 1000, REISSUE_MS);
  for (;;) {
    if (session.link.receipts) return 'news';
    const end = await nextEvent(session, until - clock.monotonic(), signal);
    if (end === 'news') return 'news';
    if (end === 'tick') {
      await signOfLife(session, { signal, silence: TRIVIAL_MS });
      return 'look';
    }
    if (end === 'idle refused') {
      session.idles = false;
      session.context.log.warn(
        { folder: session.place.folder },
        'the server refuses IDLE: new mail is looked for every PollSeconds',
      );
    }
  }
}

/** 'idle ended': a command of ours broke it, or the server did. */
type End = 'news' | 'tick' | 'idle ended' | 'idle refused';

function nextEvent({ link, context, idles }: Session, ms: number, signal: AbortSignal): Promise<End> {
  if (link.down) return Promise.reject(link.down);
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const leave = () => {
      cancel();
      unlisten();
      signal.removeEventListener('abort', abandon);
    };
    const end = (what: End) => {
      leave();
      resolve(what);
    };
    const broken = (reason: unknown) => {
      leave();
      reject(reason);
    };
    const abandon = () => broken(signal.reason);
    const cancel = context.clock.schedule(ms, () => end('tick'));
    const unlisten = link.listen(() => end('news'), broken);
    signal.addEventListener('abort', abandon, { once: true });
    if (!idles) return;
    link.client.idle().then(
      (result) => end(result === false ? 'idle refused' : 'idle ended'),
      () => end('idle ended'),
    );
  });
}

/**
 * NOOP, or the folder selected anew when the last time is long ago: only that shows a changed UIDVALIDITY on servers
 * that do not end the sessions of a mailbox that was put in place anew.
 */
async function signOfLife(session: Session, options: AskOptions): Promise<void> {
  const { link, context, place } = session;
  if (context.clock.monotonic() - session.selectedAt < REISSUE_MS)
    return link.ask('NOOP', () => link.client.noop(), options);
  const mailbox = await selectFolder(link, context.settings, options);
  session.selectedAt = context.clock.monotonic();
  const now = placeOf(context.settings, mailbox).uidValidity;
  if (now === place.uidValidity) return;
  const error = new GatepostError(
    'gateway/renumbered',
    `UIDVALIDITY of "${place.folder}" changed from ${place.uidValidity} to ${now}`,
    {
      advice: 'The mails are matched again by their fingerprints as soon as the mailbox is opened afresh.',
    },
  );
  // Nothing may be confirmed under the old numbers any more.
  link.fail(error);
  throw error;
}
