// The fixture of every measurement: one Dovecot with fresh mailboxes, a temp folder, the stub server, and the built
// product as a process.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type Dovecot, startDovecot } from '../servers/dovecot.js';
import { type Running, run } from '../servers/process.js';
import { type Child, startChild } from './child.js';
import { type Command, report } from './stub-words.js';

export interface Mailbox {
  user: string;
  password: string;
}

export interface BenchFixture {
  readonly dovecot: Dovecot;
  /** A mailbox that nobody used before. */
  mailbox(): Mailbox;
  /** One of the scripts beside this file, as a process. Like everything started here it ends with the fixture at the latest. */
  start(script: 'bare' | 'driver' | 'naive' | 'pool' | 'smsc' | 'stub', options?: object): Child;
  /** The product, from dist/, with its defaults, a journal of its own, and the stub for its server. */
  startGatepost(name: string, serverPort: number): Child;
  run(program: string, args: readonly string[]): Running;
  readonly interrupted: boolean;
  /** Ends what runs and starts nothing any more, so that whoever is at work fails and cleans up. */
  interrupt(): void;
  close(): Promise<void>;
}

const CLI = fileURLToPath(new URL('../../../dist/src/cli.js', import.meta.url));
/** More than any run needs; a mailbox costs one line. */
const MAILBOXES = 500;

/** `profiles`: folder for a CPU profile of each of the product's processes. */
export async function startBenchFixture(profiles?: string): Promise<BenchFixture> {
  const root = mkdtempSync(join(tmpdir(), 'gatepost-bench-'));
  const users = Array.from({ length: MAILBOXES }, (_, at) => ({ name: `run${at}@example.test`, password: 'pw-bench' }));
  const dovecot = await startDovecot({ users });
  const running: { stop(): Promise<void> }[] = [];
  let mailboxes = 0;
  let folders = 0;
  let interrupted = false;
  const folder = (name: string) => {
    const path = join(root, `${++folders}-${name}`);
    mkdirSync(path);
    return path;
  };
  const closedAtEnd = <T extends { stop(): Promise<void> }>(begin: () => T): T => {
    if (interrupted) throw new Error('interrupted');
    const one = begin();
    running.push(one);
    return one;
  };
  const endAll = () => Promise.all(running.map((one) => one.stop()));
  return {
    dovecot,
    mailbox() {
      if (interrupted) throw new Error('interrupted');
      const next = users[mailboxes++];
      if (!next) throw new Error(`more than ${MAILBOXES} runs: use fewer rounds`);
      return { user: next.name, password: next.password };
    },
    start: (script, options = {}) =>
      closedAtEnd(() => startChild(fileURLToPath(new URL(`${script}.js`, import.meta.url)), [JSON.stringify(options)])),
    startGatepost(name, serverPort) {
      const config = join(folder(name), 'gatepost.yaml');
      writeFileSync(config, configuration(serverPort));
      const node = profiles ? ['--cpu-prof', `--cpu-prof-dir=${profiles}`] : [];
      return closedAtEnd(() => startChild(CLI, ['start', '--config', config], node));
    },
    run: (program, args) => closedAtEnd(() => run(program, args)),
    get interrupted() {
      return interrupted;
    },
    interrupt() {
      interrupted = true;
      void endAll();
    },
    async close() {
      await endAll();
      await dovecot.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

function configuration(serverPort: number): string {
  return [
    `server: { mode: remote, host: 127.0.0.1, port: ${serverPort}, password: bench-password }`,
    'policy: { hosts: [127.0.0.1, Smpp=private, ImapHost=private, SmtpHost=private] }',
    'dataDir: data',
    'journal: sqlite:data/journal.db',
    'http: { port: 0 }',
    '',
  ].join('\n');
}

export interface Stub {
  readonly port: number;
  tell(command: Command): void;
  /** The next report of this kind. */
  receive<Kind extends Report['is']>(kind: Kind): Promise<Extract<Report, { is: Kind }>>;
  stop(): Promise<void>;
}
type Report = z.infer<typeof report>;

export async function startStub(fixture: BenchFixture): Promise<Stub> {
  const child = fixture.start('stub');
  const receive = <Kind extends Report['is']>(kind: Kind) =>
    child.receive(
      z.custom<Extract<Report, { is: Kind }>>((message) => {
        const said = report.safeParse(message);
        return said.success && said.data.is === kind;
      }),
    );
  const { port } = await receive('listening');
  return { port, tell: (command) => child.tell(command), receive, stop: () => child.stop() };
}

/** A gateway as the stub lists it. */
export function gateway(
  id: string,
  direction: 'I' | 'O',
  type: string,
  settings: object,
  channel: 'Email' | 'SMS' = 'Email',
): object {
  const Device = `${type} ${JSON.stringify(settings)}`;
  return {
    Id: id,
    DisplayName: `bench ${direction}`,
    PeerAddress: '@gatepost',
    Channel: channel,
    Direction: direction,
    Device,
  };
}

export const IN = '11111111-1111-4111-8111-111111111111';
export const OUT = '22222222-2222-4222-8222-222222222222';

export function imapHost({ user, password }: Mailbox, port: number): object {
  const settings = { Host: '127.0.0.1', Port: port, Security: 'None', User: user, Password: password, Since: 'All' };
  return gateway(IN, 'I', 'ImapHost', settings);
}
