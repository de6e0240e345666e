// The clients that are connected, and what each of them is doing:
//   waiting     the client owes the next command -> data when its DATA begins
//   data        the client sends a mail           -> processing with the final dot
//   processing  we owe the reply                  -> waiting with it
// A client that keeps us waiting holds a connection that others need. In quiet times it may be slow; when nearly all
// connections are taken, a short silence or a slow mail ends it (as Postfix does under stress).
import type { Cancel, Clock } from '../../src/driver/contract.js';
import type { SmtpListenerSettings } from './settings.js';

export type Phase =
  | { readonly is: 'waiting'; readonly since: number }
  | { readonly is: 'data'; readonly since: number; bytes: number }
  | { readonly is: 'processing' };

export interface Client {
  readonly id: string;
  readonly gone: AbortController;
  phase: Phase;
  /** Wrong passwords on this connection. */
  guesses: number;
  /** Refused recipients on this connection. */
  refused: number;
}

type Limits = Pick<SmtpListenerSettings, 'MaxConnections' | 'MinBytesPerSecond' | 'MaxDataSeconds'>;

/** Connections from which on time gets short, as a part of MaxConnections. */
const STRESS = 0.8;
/** Ms that a client may be silent, or slower than MinBytesPerSecond in DATA; RFC 5321 4.5.3.2. */
const PATIENCE_MS = { calm: 5 * 60_000, stress: 10_000 };

export interface Clients {
  of(id: string): Client;
  become(client: Client, phase: Phase['is']): void;
  /** Counts bytes of a mail. */
  sent(client: Client, bytes: number): void;
  /** Ends the clients that are too slow, as many connections being taken as `count`. */
  endSlow(count: number): void;
  remove(id: string): void;
}

/** `end` disconnects a client. */
export function clientTable(clock: Clock, limits: Limits, end: (client: Client) => void): Clients {
  const table = new Map<string, Client & { disarm: Cancel }>();
  const of = (id: string) => {
    const known = table.get(id);
    if (known) return known;
    const phase: Phase = { is: 'waiting', since: clock.monotonic() };
    const client = { id, gone: new AbortController(), phase, guesses: 0, refused: 0, disarm() {} };
    table.set(id, client);
    return client;
  };
  /** Only DATA needs a timer: the socket's own one ends silence between commands. */
  const watch = (client: Client & { disarm: Cancel }) => {
    client.disarm();
    if (client.phase.is !== 'data') return;
    const left = timeLeft(client.phase, clock.monotonic(), limits, false);
    if (left <= 0) end(client);
    else client.disarm = clock.schedule(Math.max(1000, left), () => watch(client));
  };
  return {
    of,
    become({ id }, is) {
      const client = table.get(id);
      // It has disconnected meanwhile.
      if (!client) return;
      const since = clock.monotonic();
      client.phase = is === 'data' ? { is, since, bytes: 0 } : is === 'waiting' ? { is, since } : { is };
      watch(client);
    },
    sent({ phase }, bytes) {
      if (phase.is === 'data') phase.bytes += bytes;
    },
    endSlow(count) {
      if (count < limits.MaxConnections * STRESS) return;
      const now = clock.monotonic();
      for (const client of [...table.values()]) if (timeLeft(client.phase, now, limits, true) <= 0) end(client);
    },
    remove(id) {
      const client = table.get(id);
      client?.disarm();
      client?.gone.abort();
      table.delete(id);
    },
  };
}

/** Ms for which a client in this phase may go on; 0 or less: its time is over. */
export function timeLeft(phase: Phase, now: number, limits: Limits, stress: boolean): number {
  if (phase.is === 'processing') return Number.POSITIVE_INFINITY;
  const patience = stress ? PATIENCE_MS.stress : PATIENCE_MS.calm;
  const spent = now - phase.since;
  if (phase.is === 'waiting') return patience - spent;
  const { MinBytesPerSecond: rate, MaxDataSeconds } = limits;
  const earned = rate === 0 ? Number.POSITIVE_INFINITY : patience + (phase.bytes / rate) * 1000;
  return Math.min(earned, MaxDataSeconds * 1000) - spent;
}
