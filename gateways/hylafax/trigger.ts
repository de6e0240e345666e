// Owns the live channel: hfaxd tells over a connection of its own what happens to jobs and receptions (SITE TRIGGER). It is a
// hint to look now and nothing more; what counts is in the queues, which are looked at anyway.
import { createServer, type Server, type Socket } from 'node:net';
import { deadline, type Log, sleep } from '../../src/driver/contract.js';
import { openTalk, type Talk, type TalkContext } from './talk.js';
import { reasonOf } from './words.js';

/** How long the server may take to call back, ms. */
const CALLBACK_MS = 30_000;
/** Pause before a lost or refused channel is tried again, ms; the queues are looked at meanwhile as if there were none. */
const PAUSE_MS = 60_000;

/** Far more than hfaxd says of an event. */
const LONGEST_LINE = 2_000;

export interface TriggerOptions {
  readonly context: TalkContext & { readonly log: Log };
  /** `J*S*` jobs and their calls, `R*` receptions. */
  readonly events: string;
  /** Told every line, and '' when the channel has come up, for what happened before that was not told. */
  readonly hear: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Keeps the channel up until `signal` aborts. Never rejects. */
export async function keepTriggered(options: TriggerOptions): Promise<void> {
  const { context, signal } = options;
  const { clock, log } = context;
  let said = '';
  while (!signal.aborted) {
    const why = await listen(options, () => {
      said = '';
      log.debug({}, 'HylaFAX announces what happens');
    }).catch(reasonOf);
    if (signal.aborted) return;
    if (why !== said)
      log.info({ reason: why }, 'HylaFAX announces nothing: the queues are looked at from time to time');
    said = why;
    await sleep(clock, PAUSE_MS, signal).catch(() => {});
  }
}

/** Resolves with the reason when the channel is lost. */
async function listen({ context, events, hear, signal }: TriggerOptions, up: () => void): Promise<string> {
  const talk = await openTalk(context, signal);
  const late = deadline(context.clock, CALLBACK_MS, signal);
  let isUp = false;
  const end = () => talk.close();
  signal.addEventListener('abort', end, { once: true });
  late.signal.addEventListener('abort', end, { once: true });
  const door = await openDoor(talk, hear).catch((error) => {
    talk.close();
    late.dispose();
    throw error;
  });
  try {
    await talk.ask('TYPE A');
    await talk.ask(portCommand(talk.ends.local, door.port));
    await talk.stay(`SITE TRIGGER ${events}`, () => {
      isUp = true;
      late.dispose();
      up();
      hear('');
    });
    return 'the server ended the channel';
  } catch (error) {
    if (isUp || !late.signal.aborted) throw error;
    return `the server did not call back at ${talk.ends.local}`;
  } finally {
    late.dispose();
    signal.removeEventListener('abort', end);
    talk.close();
    await door.close();
  }
}

/** A listener on the address under which the server knows us; for the server alone, and for one connection. */
async function openDoor({ ends }: Talk, hear: (line: string) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const stranger = socket.remoteAddress?.replace(/^::ffff:/i, '') !== ends.remote;
    if (stranger || sockets.size > 0) return void socket.destroy();
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', linesTo(hear));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, ends.local, resolve);
  });
  return {
    port: portOf(server),
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Cuts what comes into lines; of one that does not end, only the end is kept. */
function linesTo(hear: (line: string) => void): (chunk: Buffer) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = (lines.pop() ?? '').slice(-LONGEST_LINE);
    for (const line of lines) hear(line.trimEnd());
  };
}

function portOf(server: Server): number {
  const address = server.address();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

/** RFC 959 for IPv4, RFC 2428 for IPv6. */
function portCommand(local: string, port: number): string {
  if (local.includes(':')) return `EPRT |2|${local}|${port}|`;
  return `PORT ${local.replaceAll('.', ',')},${port >> 8},${port & 255}`;
}
