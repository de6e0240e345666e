// Polling for the end of faxes whose calls outlast the answer to their send requests.
import type { DeliveryReceipt, GatewayContext } from '../../src/driver/contract.js';
import { type StatusPoller, statusPoller } from '../../src/driver/shared/status-poller.js';
import type { Api } from './api.js';
import type { Documents } from './documents.js';
import { type Fax, fetchFax } from './faxes.js';
import { END, type Progress, progressOf } from './progress.js';
import type { Settings } from './settings.js';

/** Telnyx itself handles at most 2,000 faxes of an account at a time. */
const MAX_TRACKED = 5_000;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** Pauses between two polls by the age of the fax, ms; after the last age nothing changes any more. */
const PAUSES: readonly (readonly [upToAge: number, pause: number])[] = [
  [2 * MINUTE, 5 * SECOND],
  [10 * MINUTE, 15 * SECOND],
  [60 * MINUTE, MINUTE],
  [24 * 60 * MINUTE, 10 * MINUTE],
];
/** With the progress being pushed, polling is only the safety net. */
const MIN_PAUSE_WHEN_PUSHED = MINUTE;

interface Deps {
  readonly context: GatewayContext<Settings>;
  readonly api: Api;
  readonly documents: Documents;
  readonly closed: AbortSignal;
  /** True when Telnyx pushes the progress. */
  readonly pushed: boolean;
}

export function faxStatusPoller({ context, api, documents, closed, pushed }: Deps): Promise<StatusPoller> {
  return statusPoller({
    context,
    closed,
    maxTracked: MAX_TRACKED,
    resumeMs: 0,
    retainMs: 0,
    nextPollMs(age) {
      const pause = PAUSES.find(([upToAge]) => age < upToAge)?.[1];
      return pause === undefined ? null : Math.max(pause, pushed ? MIN_PAUSE_WHEN_PUSHED : 0);
    },
    async poll(id, signal) {
      const fax = await fetchFax(api, id, signal);
      const progress = fax ? progressOf(fax) : GONE;
      return progress && { progress, receipt: receiptOf(id, progress, fax?.updatedAt ?? context.clock.now()) };
    },
    onEnd: (handle, signal) => documents.withdraw(handle, signal),
  });
}

/** The fax was deleted at Telnyx, so its end stays unknown. */
const GONE: Progress = {
  state: 'accepted',
  final: true,
  detail: 'Telnyx has no such fax any more: how it ended is not known',
  rank: END,
  deferrable: false,
};

/** The delivery log writes "delivered" and "undelivered" itself. */
export function receiptOf(id: string, { state, detail }: Progress, at: number): DeliveryReceipt {
  if (state === 'accepted') return { id, state, at, detail, progress: true };
  return { id, state, at, detail: detail.replace(/^(?:delivered|failed)(?:,? |$)/, '') || null };
}

/** The handle of the document of a fax that was found in the list. */
export function handleOf({ mediaName }: Fax): string | null {
  return mediaName === null ? null : `media:${mediaName}`;
}
