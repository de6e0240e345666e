// The event channel (SITE TRIGGER): hfaxd connects back and announces what happens to jobs and receptions. An event only makes
// the gateway list the queues at once; the queues are listed from time to time without events, too. The channel is
//   down -> up      the server has called back
//   up -> down      the connection is lost; the next try follows after RETRY_MS
import { createServer, type Server, type Socket } from 'node:net';
import { deadline, type Log, sleep } from '../../src/driver/contract.js';
import { type ClientContext, type HfaxdClient, openClient } from './hfaxd-client.js';
import { reasonOf } from './protocol-text.js';

/** Time in which the server has to call back, ms. */
const CALLBACK_MS = 30_000;
/** Pause before the next try, ms; meanwhile the queues are listed every PollSeconds. */
const RETRY_MS = 60_000;
/** Characters of a line; hfaxd writes some hundred. */
const MAX_LINE = 2_000;

export interface EventChannelOptions {
  readonly context: ClientContext & { readonly log: Log };
  /** `J*S*` jobs and their calls, `R*` receptions. */
  readonly events: string;
  /** Called for every line, and with '' when the channel is up, because earlier events were missed. */
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Keeps the channel up until `signal` aborts. Never rejects. */
export async function keepEventChannel(options: EventChannelOptions): Promise<void> {
  const { context, signal } = options;
  const { clock, log } = context;
  let logged = '';
  while (!signal.aborted) {
    const reason = await listen(options, () => {
      logged = '';
      log.debug({}, 'event channel of HylaFAX is up');
    }).catch(reasonOf);
    if (signal.aborted) return;
    if (reason !== logged) log.info({ reason, retry_in_ms: RETRY_MS }, 'no event channel, polling HylaFAX');
    logged = reason;
    await sleep(clock, RETRY_MS, signal).catch(() => {});
  }
}

/** Resolves with the reason when the channel is lost. */
async function listen({ context, events, onLine, signal }: EventChannelOptions, onUp: () => void): Promise<string> {
  const client = await openClient(context, signal);
  const callback = deadline(context.clock, CALLBACK_MS, signal);
  let isUp = false;
  const end = () => client.close();
  signal.addEventListener('abort', end, { once: true });
  callback.signal.addEventListener('abort', end, { once: true });
  let listener: Listener | undefined;
  try {
    listener = await openListener(client, onLine);
    await client.ask('TYPE A');
    await client.ask(portCommand(client.ends.local, listener.port));
    await client.hold(`SITE TRIGGER ${events}`, () => {
      isUp = true;
      callback.dispose();
      onUp();
      onLine('');
    });
    return 'the server closed the channel';
  } catch (error) {
    if (isUp || !callback.signal.aborted) throw error;
    return `the server did not call back at ${client.ends.local}`;
  } finally {
    callback.dispose();
    signal.removeEventListener('abort', end);
    client.close();
    await listener?.close();
  }
}

interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens on the address that the server knows the gateway by; accepts one connection, from the server only. */
async function openListener({ ends }: HfaxdClient, onLine: (line: string) => void): Promise<Listener> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const isServer = socket.remoteAddress?.replace(/^::ffff:/i, '') === ends.remote;
    if (!isServer || sockets.size > 0) return void socket.destroy();
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', splitLines(onLine));
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

function splitLines(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = (lines.pop() ?? '').slice(-MAX_LINE);
    for (const line of lines) onLine(line.trimEnd());
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
