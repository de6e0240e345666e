// One delivery per message in this process, whichever gateway a request names. The reservation is synchronous: between the look into
// the map and the entry nothing else runs.
import type { SendResult } from '../gateways/gateway.js';

export interface RunningDeliveries {
  /** Joins the running delivery of this message, or starts one with `work`. The reservation ends with the delivery. */
  run(messageId: string, work: () => Promise<SendResult>): { joined: boolean; result: Promise<SendResult> };
  readonly size: number;
}

export function runningDeliveries(): RunningDeliveries {
  // Bounded by the requests of the server that wait for their answers.
  const running = new Map<string, Promise<SendResult>>();
  return {
    get size() {
      return running.size;
    },
    run(messageId, work) {
      const present = running.get(messageId);
      if (present) return { joined: true, result: present };
      // Called at once: the journal gets the first request before any repeat of it.
      const result = work().finally(() => running.delete(messageId));
      running.set(messageId, result);
      return { joined: false, result };
    },
  };
}
