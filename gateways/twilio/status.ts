// The delivery states of messages that Twilio has accepted: which send waits for which message, and the polling afterwards.
import type { GatewayContext } from '../../src/driver/contract.js';
import { type PendingSends, pendingSends } from '../../src/driver/shared/pending-sends.js';
import { type StatusPoller, statusPoller } from '../../src/driver/shared/status-poller.js';
import type { Api } from './api.js';
import { type Progress, progressOf } from './codes.js';
import { fetchSms, type Sms } from './messages.js';
import type { Settings } from './settings.js';

/** A bound on memory and on requests; at one message a second, nearly three hours of them. */
const MAX_TRACKED = 10_000;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** Ages at which a state is asked for. A carrier without a report after hours mostly never sends one. */
const POLL_AGES = [10 * SECOND, 30 * SECOND, ...[1, 2, 5, 10, 30, 60, 120, 240].map((minutes) => minutes * MINUTE)];
/** With states being pushed, polling is only the safety net. */
const POLL_AGES_WHEN_PUSHED = POLL_AGES.filter((age) => age >= 10 * MINUTE);
/** A lookup for another send request must not take this one's message; the search goes back this far at most. */
const RETAIN_MS = 15 * MINUTE;

/** Shared by the gateways of one account: a two-way gateway has one address, so the states of what its outbound half sent are
 *  pushed to its inbound half. */
export function pendingSendsOf({ shared, settings }: GatewayContext<Settings>): PendingSends<Progress> {
  return shared(`pending sends of ${settings.AccountSid}`, () => pendingSends<Progress>());
}

export function smsStatusPoller(
  context: GatewayContext<Settings>,
  api: Api,
  closed: AbortSignal,
  pushed: boolean,
): Promise<StatusPoller> {
  const ages = pushed ? POLL_AGES_WHEN_PUSHED : POLL_AGES;
  return statusPoller({
    context,
    closed,
    maxTracked: MAX_TRACKED,
    resumeMs: ages[0] ?? 0,
    retainMs: RETAIN_MS,
    nextPollMs(age) {
      const next = ages.find((at) => at > age);
      return next === undefined ? null : next - age;
    },
    async poll(sid, signal) {
      const sms = await fetchSms(api, sid, signal);
      if (!sms) return 'gone';
      const progress = progressIn(sms);
      const at = context.clock.now();
      return progress && { progress, receipt: { id: sid, state: progress.state, at, detail: progress.note } };
    },
  });
}

export function progressIn({ status, errorCode, errorMessage }: Sms): Progress | undefined {
  return progressOf(status, errorCode, errorMessage);
}
