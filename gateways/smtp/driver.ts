// SmtpHost: sends mail through a mail server.
// Point of no return: the final dot (RFC 5321 4.1.1.4). Until the last byte of the mail has been written, the server cannot
// have accepted it; from then on its reply decides, and without a reply the outcome is unknown.
import {
  type Attempt,
  type ComposedMail,
  type Driver,
  GatepostError,
  type GatewayContext,
  type Outcome,
} from '../../src/driver/contract.js';
import { accountDestinations } from '../../src/driver/shared/oauth/sign-in.js';
import { type Pace, pace } from '../../src/driver/shared/pace.js';
import { checkSteps, openDeadline } from './check.js';
import { connectSmtp, type Dialogue, targetOf } from './connection.js';
import { openPool, type Pool, type Slot } from './pool.js';
import { failureText, isAboutServer, judge, lostBefore } from './replies.js';
import { portOf, type SmtpHostSettings, settings } from './settings.js';

export interface SmtpHostSession {
  readonly pool: Pool;
  readonly pace: Pace;
  readonly server: string;
  readonly reportProblem: GatewayContext<SmtpHostSettings>['reportProblem'];
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
  oauthPurpose: 'Smtp',
  destinations: (given) =>
    accountDestinations(given, given.Host, given.Security !== 'None' && !given.AllowUntrustedCertificate),
};

/** Makes one connection, login included, so that wrong settings show when the gateway starts and not with the first mail. */
async function open(context: GatewayContext<SmtpHostSettings>): Promise<SmtpHostSession> {
  const { settings, clock, log, reportProblem } = context;
  const server = `${settings.Host}:${portOf(settings)}`;
  if (settings.AllowUntrustedCertificate)
    log.warn({ server, reason: 'AllowUntrustedCertificate is on' }, 'certificate of the server is not checked');
  const target = await targetOf(context);
  const pool = openPool(clock, settings.MaxConnections, (signal) => connectSmtp(target, signal));
  const { signal, disarm } = openDeadline(clock);
  try {
    pool.add(await connectSmtp(target, signal));
  } catch (error) {
    throw new GatepostError('smtp/unreachable', `cannot use the mail server ${server}: ${failureText(error)}`, {
      advice: adviceOf(error) ?? 'run "gatepost test" on this gateway to see which step fails',
      cause: error,
    });
  } finally {
    disarm();
  }
  return { pool, pace: pace(clock, settings.MaxPerSecond), server, reportProblem };
}

/** A provider that gives no token says what to do. */
function adviceOf(error: unknown): string | undefined {
  return error instanceof GatepostError ? error.advice : undefined;
}

async function send(session: SmtpHostSession, mail: ComposedMail, attempt: Attempt): Promise<Outcome> {
  const { signal } = attempt;
  let slot: Slot;
  try {
    const early = await session.pace.turn(attempt.remaining(), signal);
    if (early > 0) return { kind: 'deferred', detail: 'delayed by MaxPerSecond', retryAfterMs: Math.ceil(early) };
    slot = await session.pool.enter(signal);
  } catch (error) {
    return { kind: 'deferred', detail: `no connection to ${session.server} was free: ${failureText(error)}` };
  }
  try {
    const dialogue = await deliver(slot, mail, signal);
    const outcome = judge(dialogue, mail);
    // An aborted dialogue says nothing about the server that is not known already.
    if (dialogue.end.is !== 'aborted') showProblem(session, isAboutServer(dialogue) ? outcome.detail : undefined);
    return outcome;
  } catch (error) {
    // Only connecting throws, and then no part of the mail has been sent.
    showProblem(session, failureText(error));
    return { kind: 'deferred', detail: `cannot use the mail server ${session.server}: ${failureText(error)}` };
  } finally {
    slot.release();
  }
}

/** A mail server that takes nothing at the moment leaves the gateway open, so it has to be shown. */
function showProblem({ server, reportProblem }: SmtpHostSession, detail: string | undefined): void {
  reportProblem('server', detail === undefined ? null : `the mail server ${server} takes no mail: ${detail}`);
}

/**
 * On an idle connection, else on a new one. An idle connection that the server has closed meanwhile is replaced once: no part
 * of the mail has been accepted then, so this is still the same attempt.
 */
async function deliver(slot: Slot, mail: ComposedMail, signal: AbortSignal): Promise<Dialogue> {
  const idle = slot.idle();
  if (idle) {
    const dialogue = await idle.deliver(mail, signal);
    if (!lostBefore(dialogue) || signal.aborted) return dialogue;
  }
  const fresh = await slot.fresh(signal);
  return fresh.deliver(mail, signal);
}
