// Pairs SE_MESSAGE_RECEIVED with the inbound messages in flight; a late answer to an earlier attempt counts as well.
import type { InboundJournal } from '../../journal/types/inbound.js';
import type { Clock, Random } from '../../kit/clock.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { retry } from '../../kit/retry.js';
import type { CommandInfo, MessageContentInfo } from '../../model/message.js';

/**
 * What the server said about one inbound message, or that it cannot answer any more. `recording`: the server accepted it, the journal
 * is being told; `accepted`: the journal has it.
 */
export type AckEvent = { is: 'recording' | 'accepted' | 'disconnected' } | { is: 'rejected'; detail: string };

export interface AckTracker {
  /** `listener` gets every answer to this RequestId until the returned function is called. */
  register(requestId: string, listener: (event: AckEvent) => void): () => void;
  /** One SE_MESSAGE_RECEIVED. The listener gets `recording` at once, before a timer can call the server silent. */
  received(command: CommandInfo): Promise<void>;
  /** The link is down: no answer comes to what was sent on it. */
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
  const listeners = new Map<string, (event: AckEvent) => void>();

  // The server has the message now; the acknowledgement must reach the journal, however long that takes.
  const record = (requestId: string, messageId: string | null) =>
    retry(() => journal.acknowledge(requestId, { messageId, at: clock.now() }), {
      clock,
      random,
      signal,
      backoff: { first: 250, longest: 10_000 },
      onFailure: (error, pause) =>
        log.error(
          { request_id: requestId, err: messageOf(error), retry_in_ms: pause },
          'acknowledgement not recorded yet',
        ),
    });

  return {
    register(requestId, listener) {
      const key = requestId.toLowerCase();
      listeners.set(key, listener);
      return () => {
        if (listeners.get(key) === listener) listeners.delete(key);
      };
    },
    async received(command) {
      const requestId = command.Reference?.trim().toLowerCase();
      if (!requestId) return log.warn({ message_id: command.Id }, 'SE_MESSAGE_RECEIVED without a Reference');
      if (command.Data?.trim().toLowerCase() !== 'true') {
        listeners.get(requestId)?.({ is: 'rejected', detail: command.Data ?? 'no Data' });
        return;
      }
      listeners.get(requestId)?.({ is: 'recording' });
      const known = await record(requestId, command.Id ?? null);
      if (!known) return log.warn({ request_id: requestId }, 'SE_MESSAGE_RECEIVED for an unknown RequestId');
      listeners.get(requestId)?.({ is: 'accepted' });
    },
    disconnected() {
      for (const listener of [...listeners.values()]) listener({ is: 'disconnected' });
    },
  };
}

/** An inbound message as it is sent to the server. */
export type ReceivingMessage = MessageContentInfo & { RequestId: string };
