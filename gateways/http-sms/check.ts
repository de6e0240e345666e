// The connection test of HttpSms. No request is answered by every gateway without sending a message, so the test goes as far as
// the connection, and says so.
import { type CheckStep, deadline, type GatewayContext, messageOf } from '../../src/driver/contract.js';
import type { HttpSmsSettings } from './settings.js';
import { reachTcp, reachTls, targetOf } from './target.js';

/** Ms within which a connection must stand. */
export const OPEN_MS = 20_000;

export async function* checkSteps(
  context: GatewayContext<HttpSmsSettings>,
  signal: AbortSignal,
): AsyncGenerator<CheckStep> {
  if (context.gateway.direction === 'I') return yield receivingStep(context);
  if (context.settings.SendUrl === undefined) return yield { name: 'Settings', ok: false, detail: NO_SEND_URL };
  const due = deadline(context.clock, OPEN_MS, signal);
  try {
    yield* sendingSteps(context, due.signal);
  } finally {
    due.dispose();
  }
}

export const NO_SEND_URL = 'SendUrl is missing: a gateway of direction O sends to this address';
export const NO_RECEIVE_FROM = 'ReceiveFrom is missing: a gateway of direction I reads pushes by it';

function receivingStep({ settings, webhookUrl }: GatewayContext<HttpSmsSettings>): CheckStep {
  const name = 'Address for pushes';
  if (!settings.ReceiveFrom) return { name, ok: false, detail: NO_RECEIVE_FROM };
  const detail = webhookUrl
    ? `the gateway has to push to ${webhookUrl}; whether it does shows with the first message`
    : 'http.publicUrl is not set: the gateway has to push to /webhooks/ and the id of this gateway';
  return { name, ok: true, detail };
}

async function* sendingSteps(context: GatewayContext<HttpSmsSettings>, signal: AbortSignal): AsyncGenerator<CheckStep> {
  const target = await targetOf(context).catch((error: unknown) => messageOf(error));
  if (typeof target === 'string') return yield { name: 'Settings', ok: false, detail: target };
  const tcp = await step(`TCP connection to ${target.host}:${target.port}`, () => reachTcp(target, signal));
  yield tcp;
  if (tcp.ok && target.secure) yield await step(`TLS with ${target.host}`, () => reachTls(target, signal));
}

async function step(name: string, work: () => Promise<string>): Promise<CheckStep> {
  try {
    return { name, ok: true, detail: await work() };
  } catch (error) {
    return { name, ok: false, detail: `${messageOf(error)}; check SendUrl, the firewall and CaFile` };
  }
}
