// HttpSms: text messages through any gateway with an HTTP interface, described by settings alone.
// Point of no return: the first byte of the request (exchange.ts).

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
import { httpClient, httpDestination } from '../../src/driver/shared/http-client.js';
import { linkDaysOf } from '../../src/driver/shared/link-settings.js';
import { pace } from '../../src/driver/shared/pace.js';
import { rejectionLog } from '../../src/driver/shared/rejections.js';
import { textRulesOf } from '../../src/driver/shared/text-settings.js';
import { aborted } from '../../src/driver/shared/wake-signal.js';
import { outcomeOf } from './answer.js';
import { checkSteps, NO_RECEIVE_FROM, NO_SEND_URL, OPEN_MS } from './check.js';
import { exchange } from './exchange.js';
import { requestOf } from './request.js';
import type { HttpSmsSession } from './session.js';
import { type HttpSmsSettings, settings } from './settings.js';
import { reachTcp, reachTls, type Target, targetOf } from './target.js';
import { webhook } from './webhook.js';

export const httpSms: Driver<HttpSmsSettings, HttpSmsSession, TextMessage, ComposedText> = {
  device: 'HttpSms',
  channel: 'SMS',
  summary:
    'Text messages both ways through any HTTP gateway, described by settings: Kannel and the usual REST services.',
  settings,
  open,
  async close({ closing, http }) {
    closing.abort(new GatepostError('http-sms/closed', 'the gateway is being closed'));
    await http.close();
  },
  check: checkSteps,
  linkDays: linkDaysOf,
  receive: nothing,
  send,
  webhook,
  textRules: (settings) => textRulesOf(settings, settings.From),
  sender: ({ From }) => ({ address: From }),
  concurrency: ({ MaxConnections }) => MaxConnections,
  whenUncertain: ({ WhenUncertain }) => WhenUncertain,
  // Placeholders come after the host name and do not matter here. Secret stays here: it judges what is pushed.
  destinations: ({ SendUrl }) =>
    SendUrl === undefined ? [] : [httpDestination(SendUrl.replace(/[{}]/g, ''), ['Password', 'Token'])],
};

async function open(context: GatewayContext<HttpSmsSettings>): Promise<HttpSmsSession> {
  const { settings, clock, gateway } = context;
  const problem = missing(settings, gateway.direction);
  if (problem) throw new GatepostError('http-sms/settings', problem, { advice: 'see gateways/http-sms/README.md' });
  const session = {
    context,
    pace: pace(clock, settings.MaxPerSecond),
    closing: new AbortController(),
    logRejection: rejectionLog(context.log),
  };
  if (gateway.direction === 'I') return { ...session, http: httpClient({ network: context.network }) };
  const target = await targetOf(context);
  await reach(target, context);
  return { ...session, http: httpClient({ ca: target.ca, network: context.network }) };
}

function missing({ SendUrl, ReceiveFrom }: HttpSmsSettings, direction: 'I' | 'O'): string | null {
  if (direction === 'O') return SendUrl === undefined ? NO_SEND_URL : null;
  return ReceiveFrom === undefined ? NO_RECEIVE_FROM : null;
}

/** Connects once, so that a wrong address or certificate shows at the start of the gateway, not with the first message. */
async function reach(target: Target, { clock }: GatewayContext<HttpSmsSettings>): Promise<void> {
  const due = deadline(clock, OPEN_MS);
  try {
    await (target.secure ? reachTls(target, due.signal) : reachTcp(target, due.signal));
  } catch (error) {
    throw new GatepostError('http-sms/unreachable', `cannot reach the SMS gateway: ${messageOf(error)}`, {
      advice: 'run "gatepost test" on this gateway to see which step fails',
      cause: error,
    });
  } finally {
    due.dispose();
  }
}

/** Messages come by push only. */
async function* nothing(_session: HttpSmsSession, signal: AbortSignal): AsyncGenerator<never> {
  await aborted(signal);
  yield* [];
}

async function send(
  { context, pace, http }: HttpSmsSession,
  message: ComposedText,
  attempt: Attempt,
): Promise<Outcome> {
  const { settings, clock, webhookUrl } = context;
  const early = await pace.turn(attempt.remaining(), attempt.signal).catch((error: unknown) => messageOf(error));
  if (typeof early === 'string') return { kind: 'deferred', detail: `held back by MaxPerSecond: ${early}` };
  if (early > 0) return { kind: 'deferred', detail: 'held back by MaxPerSecond', retryAfterMs: Math.ceil(early) };
  const request = requestOf(settings, message, webhookUrl);
  const due = deadline(clock, settings.TimeoutSeconds * 1000, attempt.signal);
  try {
    const result = await exchange(http, request, due.signal);
    switch (result.kind) {
      case 'answered':
        return outcomeOf(result.answer, settings, message, clock.now());
      case 'not sent':
        return { kind: 'deferred', detail: `cannot reach the SMS gateway: ${result.detail}` };
      case 'no answer':
        return { kind: 'unknown', detail: `the request was sent, but no answer came: ${result.detail}` };
    }
  } finally {
    due.dispose();
  }
}
