// Owns SmtpHost: sends mail through a mail server.
// Point of no return: the final dot (RFC 5321 4.1.1.4). Until the last byte of the mail has been handed on, the server
// cannot have taken it; from then on only its reply tells, and without one the outcome is unknown.
import {
  type Attempt,
  type ComposedMail,
  type Driver,
  GatepostError,
  type GatewayContext,
  type Outcome,
} from '../../src/driver/contract.js';
import { type Pace, pace } from '../../src/driver/shared/pace.js';
import { checkSteps, OPEN_MS } from './check.js';
import { type Dialogue, dial, type Link, targetOf } from './link.js';
import { openPool, type Place, type Pool } from './pool.js';
import { judge, lostBefore, wordsOf } from './replies.js';
import { portOf, type SmtpHostSettings, settings } from './settings.js';

export interface SmtpHostSession {
  readonly pool: Pool;
  readonly pace: Pace;
  readonly server: string;
}

export const smtpHost: Driver<SmtpHostSettings, SmtpHostSession> = {
  device: 'SmtpHost',
  channel: 'Email',
  summary:
    "Sends mail through a mail server (SMTP): pooled connections, per-recipient outcomes in the server's own words.",
  settings,
  open,
  close: ({ pool }) => pool.close(),
  check: (context, signal) => checkSteps(context, signal),
  send,
  sender: ({ From, FromName }) => ({ address: From, name: FromName }),
  concurrency: ({ MaxConnections }) => MaxConnections,
  whenUncertain: ({ WhenUncertain }) => WhenUncertain,
};

/** Makes one connection, login included, so that wrong settings show when the gateway starts and not with the first mail. */
async function open({ settings, clock, log, dataDir }: GatewayContext<SmtpHostSettings>): Promise<SmtpHostSession> {
  const server = `${settings.Host}:${portOf(settings)}`;
  if (settings.AllowUntrustedCertificate) log.warn({ server }, 'any certificate of the mail server is accepted');
  const target = await targetOf(settings, dataDir);
  const pool = openPool(clock, settings.MaxConnections, (signal) => dial(target, signal));
  const late = new AbortController();
  const cancel = clock.schedule(OPEN_MS, () => late.abort(new Error(`no connection within ${OPEN_MS / 1000} s`)));
  try {
    pool.keep(await dial(target, late.signal));
  } catch (error) {
    throw new GatepostError('smtp/unreachable', `cannot use the mail server ${server}: ${wordsOf(error)}`, {
      advice: 'run "gatepost test" on this gateway to see which step fails',
      cause: error,
    });
  } finally {
    cancel();
  }
  return { pool, pace: pace(clock, settings.MaxPerSecond), server };
}

async function send(session: SmtpHostSession, mail: ComposedMail, attempt: Attempt): Promise<Outcome> {
  const { signal } = attempt;
  let place: Place;
  try {
    const early = await session.pace.turn(attempt.remaining(), signal);
    if (early > 0) return { kind: 'deferred', detail: 'held back by MaxPerSecond', retryAfterMs: Math.ceil(early) };
    place = await session.pool.enter(signal);
  } catch (error) {
    return { kind: 'deferred', detail: `no connection to ${session.server} was free: ${wordsOf(error)}` };
  }
  try {
    return judge(await deliver(place, mail, signal), mail);
  } catch (error) {
    // Only making a connection throws: nothing has been said about the mail yet.
    return { kind: 'deferred', detail: `cannot use the mail server ${session.server}: ${wordsOf(error)}` };
  } finally {
    place.leave();
  }
}

/** On a connection that is open already, or else on a new one. An open one that turns out to have been closed by the
 *  server is replaced once: the mail has not been handed over then, so this is still the same try. */
async function deliver(place: Place, mail: ComposedMail, signal: AbortSignal): Promise<Dialogue> {
  const used: Link | undefined = place.idle();
  if (used) {
    const dialogue = await used.deliver(mail, signal);
    if (!lostBefore(dialogue) || signal.aborted) return dialogue;
  }
  const fresh = await place.fresh(signal);
  return fresh.deliver(mail, signal);
}
