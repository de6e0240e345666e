// The bounds of a command: silence, total time, and bytes. A server that sends without end shows signs of life for ever.
// The library runs one command after the other, so the bounds of those that run or wait add up.
import { Socket } from 'node:net';
import type { ImapFlow } from 'imapflow';
import { GatepostError, type GatewayContext, readWhatHasArrived } from '../../src/driver/contract.js';
import { address } from './errors.js';
import type { Settings } from './settings.js';

/** How long a server may stay silent over something that makes it work: a search, a move of many mails, ms. */
const WORK_MS = 120_000;
/** How long a command may take from first to last, ms, and how much longer for what it brings. */
const LONGEST_MS = 15 * 60_000;
const SLOWEST_BYTES_PER_MS = 8;
/** What a server may send to any command, and in IDLE: changes of other mails, above all. */
const ALWAYS_BYTES = 2 * 1024 * 1024;

export interface Expected {
  /** Ms of silence after which the connection counts as dead. */
  silence?: number | undefined;
  /** What the server is expected to send, and what it may send beyond that. */
  bytes?: number | undefined;
  tolerance?: number | undefined;
}

export interface CommandLimits {
  /** Returns what ends the watch. */
  watch(what: string, expected: Expected): () => void;
}

export function commandLimits(
  context: GatewayContext<Settings>,
  client: ImapFlow,
  fail: (error: GatepostError) => void,
): CommandLimits {
  const { clock, settings } = context;
  const running = new Set<string[]>();
  let received = 0;
  let allowed = ALWAYS_BYTES;
  let end = 0;
  let listening = false;
  const count = (chunk: Uint8Array) => {
    received += chunk.length;
    if (received > allowed) fail(endless(settings, [...running].flat().join(', ') || 'no command', received));
  };
  const begin = (what: string, { bytes = 0, tolerance = 0 }: Expected) => {
    if (!listening) listening = socketOf(client)?.on('data', count) !== undefined;
    if (running.size === 0) [received, allowed, end] = [0, 0, clock.monotonic()];
    allowed += ALWAYS_BYTES + 2 * bytes + tolerance;
    end += LONGEST_MS + bytes / SLOWEST_BYTES_PER_MS;
    const entry = [what];
    running.add(entry);
    return () => {
      running.delete(entry);
      if (running.size === 0) [received, allowed] = [0, ALWAYS_BYTES];
    };
  };
  return {
    watch(what, expected) {
      const leave = begin(what, expected);
      const stopSilence = watchSilence(context, client, fail, { what, ms: expected.silence ?? WORK_MS });
      const disarm = clock.schedule(end - clock.monotonic(), () => fail(tooLong(settings, what)));
      return () => {
        leave();
        stopSilence();
        disarm();
      };
    },
  };
}

/** The library shows no count of bytes as they come, so its socket is listened to; it is the final one once the login is done. */
function socketOf(client: ImapFlow): Socket | undefined {
  const socket: unknown = Reflect.get(client, 'socket');
  return socket instanceof Socket ? socket : undefined;
}

/** Bytes that arrive are a sign of life, also those of another answer that has to come first. Returns what ends the watch. */
function watchSilence(
  { clock, settings }: GatewayContext<Settings>,
  client: ImapFlow,
  fail: (error: GatepostError) => void,
  { what, ms }: { what: string; ms: number },
): () => void {
  const received = () => client.stats().received;
  let before = received();
  let watching = true;
  let disarm = () => {};
  const check = async () => {
    await readWhatHasArrived();
    if (!watching) return;
    if (received() === before) return fail(silent(settings, what, ms));
    before = received();
    arm();
  };
  const arm = () => {
    disarm = clock.schedule(ms, () => void check());
  };
  arm();
  return () => {
    watching = false;
    disarm();
  };
}

const ADVICE = 'Gatepost closes the connection and opens a new one; if this repeats, check';

function silent(settings: Settings, what: string, ms: number): GatepostError {
  const message = `${address(settings)} has not answered for ${ms / 1000} s (${what})`;
  return new GatepostError('gateway/silent', message, { advice: `${ADVICE} the network in between.` });
}

function tooLong(settings: Settings, what: string): GatepostError {
  const message = `${address(settings)} sends, but does not end its answer in time (${what})`;
  return new GatepostError('gateway/endless', message, { advice: `${ADVICE} the mail server.` });
}

function endless(settings: Settings, what: string, bytes: number): GatepostError {
  const message = `${address(settings)} has sent ${Math.floor(bytes / 1024 / 1024)} MB and does not end its answer (${what})`;
  return new GatepostError('gateway/endless', message, { advice: `${ADVICE} the mail server.` });
}
