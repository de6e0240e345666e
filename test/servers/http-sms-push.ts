// A push to an HttpSms gateway.
import { expect } from 'vitest';
import { httpSms } from '../../gateways/http-sms/driver.js';
import type { HttpSmsSession } from '../../gateways/http-sms/session.js';
import type { Clock, DriverState, RawRequest, WebhookResult } from '../../src/driver/contract.js';
import { contextOf } from '../conformance/context.js';
import { recorder } from '../conformance/watch.js';
import { manualClock } from '../fixtures/manual-clock.js';

export const HOOK = 'https://gatepost.test/webhooks/11111111-2222-4333-8444-555555555555';
export const clock = manualClock();
export const json = {
  From: '+420777000111',
  ReceiveFrom: { From: 'json:from', To: 'json:to', Text: 'json:text', Id: 'json:id', Media: 'json:media' },
  Authenticate: { Kind: 'Secret', Header: 'X-Key' },
  Secret: 'right secret',
};
export const receipts = { Id: 'query:ref', State: 'query:state', States: { ok: 'delivered' } };
const right = { 'x-key': 'right secret' };

export interface Push {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  direction?: 'I' | 'O';
  driverState?: DriverState;
  /** Collects the reasons of rejected input. */
  inputRejected?: string[];
  /** Called with the open session. */
  opened?: (session: HttpSmsSession) => void;
  clock?: Clock;
}

export async function push(written: Record<string, unknown>, what: Push): Promise<WebhookResult> {
  const recorded = recorder();
  const direction = what.direction ?? 'I';
  // Without a connection at opening: pushes need none.
  const context = contextOf(httpSms, written, {
    clock: what.clock ?? clock,
    log: recorded.log,
    webhookUrl: HOOK,
    ...(what.driverState && { driverState: what.driverState }),
    ...(what.inputRejected && { inputRejected: what.inputRejected }),
  });
  const opened = await httpSms.open(context);
  const session = { ...opened, context: { ...context, gateway: { ...context.gateway, direction } } };
  what.opened?.(session);
  const path = what.path ?? '';
  const request: RawRequest = {
    method: what.method ?? 'POST',
    path,
    url: HOOK + path,
    headers: what.headers ?? right,
    body: Buffer.from(what.body ?? ''),
    signal: new AbortController().signal,
  };
  const result = await httpSms.webhook?.(session, request);
  expect(JSON.stringify(recorded.lines)).not.toContain('right secret');
  if (!result) throw new Error('it has no webhook');
  return result;
}

export const message = (more: object = {}) =>
  JSON.stringify({ id: 'a', from: '+420777123456', to: '123', text: 'hi', ...more });
