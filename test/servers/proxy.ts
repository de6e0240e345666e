// A TCP proxy as a bad connection: it delays, cuts, or keeps the sockets open without forwarding.
import { connect, createServer, type Socket } from 'node:net';

export interface ProxyOptions {
  /** Where to forward to, on 127.0.0.1 unless `host` says otherwise. */
  port: number;
  host?: string;
  /** Ms added in each direction; or per direction: `up` towards the server, `down` towards the client. */
  delay?: number | { up: number; down: number };
  /** Keeps what clients sent, for `sent()`. Leave it off in benchmarks. */
  record?: boolean;
}

export interface Proxy {
  readonly port: number;
  /** Connections made so far, and those open now. */
  readonly accepted: number;
  readonly open: number;
  /** What all clients sent so far, as text, when recording. */
  sent(): string;
  /** Ends every connection at once, both ends. */
  cut(): void;
  /** Half-open from now on: sockets stay, nothing is forwarded in either direction. New connections hang, too. */
  hold(): void;
  /** Forwards again, what was held back included. */
  release(): void;
  close(): Promise<void>;
}

interface Line {
  near: Socket;
  far: Socket;
}

export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const lines = new Set<Line>();
  const recorded: Buffer[] = [];
  const held: (() => void)[] = [];
  let accepted = 0;
  let holding = false;
  const delay =
    typeof options.delay === 'object' ? options.delay : { up: options.delay ?? 0, down: options.delay ?? 0 };
  const pass = (write: () => void) => (holding ? void held.push(write) : write());

  const server = createServer({ allowHalfOpen: false }, (near) => {
    accepted += 1;
    const far = connect(options.port, options.host ?? '127.0.0.1');
    const line = { near, far };
    lines.add(line);
    // What is still on its way through a slow line arrives before the line ends.
    const end = () => {
      if (near.closed && far.closed) lines.delete(line);
      later(Math.max(delay.up, delay.down), () =>
        pass(() => {
          near.destroySoon();
          far.destroySoon();
        }),
      );
    };
    for (const socket of [near, far])
      socket
        .setNoDelay(true)
        .on('error', () => {})
        .once('close', end);
    if (options.record) near.on('data', (chunk: Buffer) => recorded.push(chunk));
    forward(near, far, delay.up, pass);
    forward(far, near, delay.down, pass);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const cut = () => {
    for (const { near, far } of lines) {
      near.destroy();
      far.destroy();
    }
    lines.clear();
    held.length = 0;
  };
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    get accepted() {
      return accepted;
    },
    get open() {
      return lines.size;
    },
    sent: () => Buffer.concat(recorded).toString('latin1'),
    cut,
    hold() {
      holding = true;
    },
    release() {
      holding = false;
      for (const write of held.splice(0)) write();
    },
    close: () =>
      new Promise((resolve) => {
        cut();
        server.close(() => resolve());
      }),
  };
}

function forward(from: Socket, to: Socket, delay: number, pass: (write: () => void) => void): void {
  from.on('data', (chunk: Buffer) => later(delay, () => pass(() => void (to.destroyed || to.write(chunk)))));
  from.once('end', () => later(delay, () => pass(() => void to.end())));
}

/** Timers of equal length fire in the order of arming, so the bytes keep their order. */
function later(ms: number, run: () => void): void {
  if (ms === 0) run();
  else setTimeout(run, ms);
}
