// Owns the flow's view of the server: send a MSG, know whether the link is up, and pair acknowledgements with inbound messages.
import type { InboundJournal } from '../../journal/types/inbound.js';
import type { Clock, Random } from '../../kit/clock.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { retry } from '../../kit/retry.js';
import type { CommandInfo, MessageContentInfo } from '../../model/message.js';

export type { ServerLink } from './link.js';

/** What the server said about one inbound message; `silent` when it said nothing in time. */
export type AckResult = 'accepted' | 'rejected' | 'timeout' | 'disconnected';

/** Pairs SE_MESSAGE_RECEIVED with the inbound messages in flight; a late answer to an earlier attempt counts as well. */
export interface AckTracker {
  /** `hear` is told every answer to this requestId until the returned function is called. */
  register(requestId: string, hear: (answer: AckResult, detail: string) => void): () => void;
  /** One SE_MESSAGE_RECEIVED. A "true" is in the journal before anybody hears of it. */
  received(command: CommandInfo): Promise<void>;
  /** The link is gone: whoever waits can stop waiting. */
  disconnected(): void;
}

export interface AckTrackerDeps {
  journal: Pick<InboundJournal, 'acknowledge'>;
  clock: Clock;
  random: Random;
  log: Log;
  /** Aborts when the service ends. */
  signal: AbortSignal;
}

export function ackTracker({ journal, clock, random, log, signal }: AckTrackerDeps): AckTracker {
  const waiting = new Map<string, (answer: AckResult, detail: string) => void>();

  // The server has the message now whatever happens here; only the journal's word for it is still missing.
  const record = (requestId: string, messageId: string | null) =>
    retry(() => journal.acknowledge(requestId, { messageId, at: clock.now() }), {
      clock,
      random,
      signal,
      backoff: { first: 250, longest: 10_000 },
      onFailure: (error) =>
        log.error({ requestId, error: messageOf(error) }, 'the journal cannot take an acknowledgement; trying again'),
    });

  return {
    register(requestId, hear) {
      const key = requestId.toLowerCase();
      waiting.set(key, hear);
      return () => {
        if (waiting.get(key) === hear) waiting.delete(key);
      };
    },
    async received(command) {
      const requestId = command.Reference?.trim().toLowerCase();
      if (!requestId)
        return log.warn({ messageId: command.Id }, 'SE_MESSAGE_RECEIVED without a Reference: nothing to pair it with');
      if (command.Data?.trim().toLowerCase() !== 'true') {
        waiting.get(requestId)?.('rejected', command.Data ?? 'no Data');
        return;
      }
      const known = await record(requestId, command.Id ?? null);
      if (!known) return log.warn({ requestId }, 'SE_MESSAGE_RECEIVED for a request that is not in the journal');
      waiting.get(requestId)?.('accepted', '');
    },
    disconnected() {
      for (const hear of [...waiting.values()]) hear('disconnected', 'connection to the server lost');
    },
  };
}

/** An inbound message complete for the wire. */
export type ReceivingMessage = MessageContentInfo & { RequestId: string };
