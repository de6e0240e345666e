// Owns HttpSms: text messages through any gateway that takes an HTTP request, described by settings alone.
// Point of no return: the first byte of the request (exchange.ts). Before it, surely not sent; after it only the
// gateway's answer tells.
import {
  type Attempt,
  type ComposedText,
  type Driver,
  deadline,
  GatepostError,
  type GatewayContext,
  messageOf,
  type Outcome,
  type TextMessage,
} from '../../src/driver/contract.js';
import { type Pace, pace } from '../../src/driver/shared/pace.js';
import { textRulesOf } from '../../src/driver/shared/text-settings.js';
import { judge } from './answer.js';
import { checkSteps, NO_RECEIVE_FROM, NO_SEND_URL, OPEN_MS } from './check.js';
import { exchange } from './exchange.js';
import { requestOf } from './request.js';
import { type HttpSmsSettings, settings } from './settings.js';
import { reachTcp, reachTls, type Target, targetOf } from './target.js';
import { pushed } from './webhook.js';

export interface HttpSmsSession {
  readonly context: GatewayContext<HttpSmsSettings>;
  readonly pace: Pace;
  readonly ca: string | undefined;
  /** Aborted by `close`. */
  readonly closing: AbortController;
}

export const httpSms: Driver<HttpSmsSettings, HttpSmsSession, TextMessage, ComposedText> = {
  device: 'HttpSms',
  channel: 'SMS',
  summary:
    'Text messages both ways through any HTTP gateway, described by settings: Kannel and the usual REST services.',
  settings,
  open,
  // A session holds nothing open but what is being fetched for a push: each request has its own connection.
  close: async ({ closing }) => closing.abort(new GatepostError('http-sms/closed', 'the gateway is being closed')),
  check: checkSteps,
  receive: nothing,
  send,
  webhook: ({ context, closing }, request) => pushed(context, request, closing.signal),
  textRules: (settings) => textRulesOf(settings, settings.From),
  sender: ({ From }) => ({ address: From }),
  concurrency: ({ MaxConnections }) => MaxConnections,
  whenUncertain: ({ WhenUncertain }) => WhenUncertain,
};

async function open(context: GatewayContext<HttpSmsSettings>): Promise<HttpSmsSession> {
  const { settings, clock, gateway } = context;
  const problem = missing(settings, gateway.direction);
  if (problem) throw new GatepostError('http-sms/settings', problem, { advice: 'see gateways/http-sms/README.md' });
  const session = { context, pace: pace(clock, settings.MaxPerSecond), ca: undefined, closing: new AbortController() };
  if (gateway.direction === 'I') return session;
  const target = await targetOf(settings, context.dataDir);
  await reach(target, context);
  return { ...session, ca: target.ca };
}

function missing({ SendUrl, ReceiveFrom }: HttpSmsSettings, direction: 'I' | 'O'): string | null {
  if (direction === 'O') return SendUrl === undefined ? NO_SEND_URL : null;
  return ReceiveFrom === undefined ? NO_RECEIVE_FROM : null;
}

/** Connects once, so that a wrong address or certificate shows when the gateway starts and not with the first message. */
async function reach(target: Target, { clock }: GatewayContext<HttpSmsSettings>): Promise<void> {
  const due = deadline(clock, OPEN_MS);
  try {
    await (target.secure ? reachTls(target, due.signal) : reachTcp(target, due.signal));
  } catch (error) {
    throw new GatepostError('http-sms/unreachable', `cannot reach the SMS gateway ${messageOf(error)}`, {
      advice: 'run "gatepost test" on this gateway to see which step fails',
      cause: error,
    });
  } finally {
    due.dispose();
  }
}

/** Messages come by push only; there is nothing to ask for. */
async function* nothing(_session: HttpSmsSession, signal: AbortSignal): AsyncGenerator<never> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

async function send({ context, pace, ca }: HttpSmsSession, message: ComposedText, attempt: Attempt): Promise<Outcome> {
  const { settings, clock, webhookUrl } = context;
  const early = await pace.turn(attempt.remaining(), attempt.signal).catch((error: unknown) => messageOf(error));
  if (typeof early === 'string') return { kind: 'deferred', detail: `held back by MaxPerSecond: ${early}` };
  if (early > 0) return { kind: 'deferred', detail: 'held back by MaxPerSecond', retryAfterMs: Math.ceil(early) };
  const request = requestOf(settings, message, webhookUrl);
  const due = deadline(clock, settings.TimeoutSeconds * 1000, attempt.signal);
  try {
    const result = await exchange(request, ca, due.signal);
    switch (result.kind) {
      case 'answered':
        return judge(result.answer, settings, message, clock.now());
      case 'not sent':
        return { kind: 'deferred', detail: `cannot reach the SMS gateway ${result.detail}` };
      case 'no answer':
        return { kind: 'unknown', detail: `the message was handed over and no answer came from ${result.detail}` };
    }
  } finally {
    due.dispose();
  }
}
