import { type Clock, sleep, yieldToEventLoop } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import type { Frame } from './codec.js';
import type { Link } from './link.js';

/** So many keep-alive periods without a frame mean that the peer is dead. */
const SILENT_PERIODS = 3;
/** A server that asks for more pings than this asks for a flood. */
const SHORTEST_KEEP_ALIVE_MS = 50;

/** Pings when nothing was sent for the interval; cuts the link when nothing came for three intervals. */
export interface Keepalive {
  /** True from the login on. */
  readonly started: boolean;
  /** Begins to ping (when it has a MSG for that) and to watch, until the link closes. */
  start(keepAliveSeconds: number): void;
  received(): void;
  send(frame: Frame): Promise<void>;
}

export function createKeepalive(link: Link, clock: Clock, peer: string, ping?: string): Keepalive {
  let lastSent = clock.monotonic();
  let lastReceived = lastSent;
  let started = false;
  const ended = new AbortController();
  void link.closed.then(() => ended.abort());

  const send = (frame: Frame) => {
    lastSent = clock.monotonic();
    return link.send(frame);
  };
  const beat = async (period: number) => {
    const patience = period * SILENT_PERIODS;
    for (;;) {
      if (clock.monotonic() - lastReceived >= patience) await readWhatArrived();
      if (clock.monotonic() - lastReceived >= patience) break;
      // The link closes or times out when a ping cannot be sent.
      if (ping && clock.monotonic() - lastSent >= period)
        send({ code: ping, peer: null, content: null }).catch(() => {});
      const due = Math.min(lastReceived + patience, ping ? lastSent + period : Number.POSITIVE_INFINITY);
      await sleep(clock, due - clock.monotonic(), ended.signal);
    }
    link.cut(new GatepostError('session/silent', `nothing came from the ${peer} for ${patience / 1000} s`));
  };
  return {
    get started() {
      return started;
    },
    send,
    received() {
      lastReceived = clock.monotonic();
    },
    start(keepAliveSeconds) {
      started = true;
      // The wait is the only thing in it that rejects, and only because the link has closed.
      beat(Math.max(SHORTEST_KEEP_ALIVE_MS, keepAliveSeconds * 1000)).catch(() => {});
    },
  };
}

/**
 * After a long stall of this process the frames that prove the peer alive may still wait to be read. Two turns, because
 * the first may end the round of the event loop that is under way and has read already.
 */
async function readWhatArrived(): Promise<void> {
  await yieldToEventLoop();
  await yieldToEventLoop();
}
