// "Test connection" of SmtpHost: address, TCP, greeting with TLS, login; it ends before any command that concerns a mail.
import { lookup } from 'node:dns/promises';
import type { Socket } from 'node:net';
import type SMTPConnection from 'nodemailer/lib/smtp-connection';
import { type CheckStep, type Clock, type GatewayContext, readWhatHasArrived } from '../../src/driver/contract.js';
import { mailboxOf, signInAdvice } from '../../src/driver/shared/oauth/sign-in.js';
import { greet, logIn, openSocket, targetOf } from './connection.js';
import { failureText } from './replies.js';
import { portOf, type SmtpHostSettings } from './settings.js';

/** For address, TCP, TLS, greeting and login together, ms. */
const OPEN_MS = 30_000;

export function openDeadline(clock: Clock): { signal: AbortSignal; disarm: () => void } {
  const late = new AbortController();
  const abort = () => late.abort(new Error(`no connection within ${OPEN_MS / 1000} s`));
  return { signal: late.signal, disarm: clock.schedule(OPEN_MS, () => void readWhatHasArrived().then(abort)) };
}

export async function* checkSteps(
  context: GatewayContext<SmtpHostSettings>,
  signal: AbortSignal,
): AsyncGenerator<CheckStep> {
  const { signal: late, disarm } = openDeadline(context.clock);
  try {
    yield* reach(context, AbortSignal.any([signal, late]));
  } finally {
    disarm();
  }
}

async function* reach(context: GatewayContext<SmtpHostSettings>, signal: AbortSignal): AsyncGenerator<CheckStep> {
  const { settings } = context;
  const found = await step(`Address of ${settings.Host}`, () => addressesOf(settings.Host), advice.address);
  yield found.step;
  if (!found.ok) return;
  const name = `TCP connection to ${settings.Host}:${portOf(settings)}`;
  const tcp = await step(name, () => openSocket(context, signal), advice.tcp);
  yield tcp.step;
  if (!tcp.ok) return;
  try {
    yield* smtpSteps(context, tcp.result, signal);
  } finally {
    tcp.result.destroySoon();
  }
}

async function* smtpSteps(
  context: GatewayContext<SmtpHostSettings>,
  socket: Socket,
  signal: AbortSignal,
): AsyncGenerator<CheckStep> {
  const { settings } = context;
  const target = await targetOf(context);
  const greeting = () => greet(target, socket, signal);
  const session = await step(`SMTP session, Security ${settings.Security}`, greeting, advice.session);
  yield withReply(session);
  if (!session.ok) return;
  const connection = session.result;
  if (settings.User || settings.OAuth2) {
    const enter = () => logIn(target, connection, signal).then(() => connection);
    const name = settings.OAuth2 ? `OAuth2 sign-in as ${mailboxOf(settings)}` : `Login as ${settings.User}`;
    yield withReply(await step(name, enter, signInAdvice(settings, 'Smtp')));
  }
  connection.quit();
}

/** The evidence of a step: the first line of the server's last reply. */
function withReply(step: Step<SMTPConnection>): CheckStep {
  if (!step.ok) return step.step;
  return { ...step.step, detail: String(step.result.lastServerResponse).split('\n')[0] ?? '' };
}

const advice = {
  address: 'check the setting Host and the name service of this machine',
  tcp: 'check Host and Port, and whether a firewall is in between',
  session: 'check Security and Port (usually Tls 465, StartTls 587, None 25) and, for certificates, TlsName and CaFile',
};

type Step<T> = { ok: true; step: CheckStep; result: T } | { ok: false; step: CheckStep };

async function step<T>(name: string, work: () => Promise<T>, advice: string): Promise<Step<T>> {
  try {
    const result = await work();
    return { ok: true, result, step: { name, ok: true, detail: typeof result === 'string' ? result : 'established' } };
  } catch (error) {
    return { ok: false, step: { name, ok: false, detail: `${failureText(error)}; ${advice}` } };
  }
}

async function addressesOf(host: string): Promise<string> {
  const addresses = await lookup(host, { all: true });
  return addresses.map(({ address }) => address).join(', ');
}
