// A gateway on a throw-away Dovecot for tests of receiving mailboxes. The tests take its inbound messages as the pipeline does,
// with driver state in memory instead of the journal.
import { tmpdir } from 'node:os';
import type { Clock, Driver, GatewayContext, InboundMessage, Log, Shared } from '../../src/driver/contract.js';
import { openNetwork } from '../../src/driver/network.js';
import { sharedByDevice } from '../../src/driver/shared-state.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { problemCollector } from '../conformance/context.js';
import { createDriverState, type TestDriverState } from '../fixtures/driver-state.js';
import { createSecretStore } from '../fixtures/secret-store.js';

/** A Dovecot, or a scripted server. */
export interface ImapServer {
  readonly port: number;
  readonly users: readonly { readonly name: string; readonly password: string }[];
}

export interface ImapHarnessOptions {
  /** Over the defaults for this Dovecot. */
  settings?: Readonly<Record<string, unknown>>;
  driverState?: TestDriverState;
  clock?: Clock;
  log?: Log;
  /** What the sessions of one service share in memory. */
  shared?: Shared;
  /** Collects the problems that are reported and not over, by what they concern. */
  problems?: Map<string, string>;
}

export interface ImapHarness {
  readonly driverState: TestDriverState;
  /** The next inbound message, recorded as open. One caller at a time. */
  next(): Promise<InboundMessage>;
  take(count: number): Promise<InboundMessage[]>;
  /** As the pipeline after the server's acknowledgement: acknowledged in the journal, then confirmed in the mailbox. */
  settle(...inboundMessages: InboundMessage[]): Promise<void>;
  /** Stops receiving; the session stays open for confirms. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export function imapContext<Settings, Session>(
  driver: Driver<Settings, Session>,
  dovecot: ImapServer,
  user: string,
  options: ImapHarnessOptions = {},
): { context: GatewayContext<Settings>; driverState: TestDriverState } {
  const password = dovecot.users.find(({ name }) => name === user)?.password ?? '';
  const written = { Host: '127.0.0.1', Port: dovecot.port, Security: 'None', User: user, Password: password };
  const parsed = driver.settings.parse({ ...written, ...options.settings });
  if (!parsed.ok) throw new Error(parsed.problems.map(({ setting, message }) => `${setting} ${message}`).join('; '));
  const driverState = options.driverState ?? createDriverState();
  const context: GatewayContext<Settings> = {
    gateway: { id: '11111111-2222-4333-8444-555555555555', displayName: 'Mailbox', direction: 'I' },
    settings: parsed.settings,
    clock: options.clock ?? systemClock,
    random: () => 0.5,
    log: options.log ?? silentLog,
    driverState,
    shared: options.shared ?? sharedByDevice()(driver.device),
    accounts: sharedByDevice()('*'),
    secretStore: createSecretStore(),
    network: openNetwork,
    dataDir: tmpdir(),
    diskFull: async () => false,
    webhookUrl: null,
    reportReceipts: async () => {},
    reportProblem: problemCollector(options.problems),
    inputRejected: () => {},
  };
  return { context, driverState };
}

/** Opens the gateway and begins to receive. */
export async function openImapHarness<Settings, Session>(
  driver: Driver<Settings, Session>,
  dovecot: ImapServer,
  user: string,
  options: ImapHarnessOptions = {},
): Promise<ImapHarness> {
  const { context, driverState } = imapContext(driver, dovecot, user, options);
  const session = await driver.open(context);
  const stop = new AbortController();
  if (!driver.receive) throw new Error(`${driver.device} receives nothing`);
  const inboundMessages = driver.receive(session, stop.signal)[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await inboundMessages.next();
    if (done) throw new Error('receiving has ended');
    driverState.open(value);
    return value;
  };
  const end = async () => {
    stop.abort(new Error('the test stops receiving'));
    await inboundMessages.return?.();
  };
  return {
    driverState,
    next,
    async take(count) {
      const received: InboundMessage[] = [];
      while (received.length < count) received.push(await next());
      return received;
    },
    async settle(...received) {
      for (const inboundMessage of received) driverState.acknowledge(inboundMessage);
      await Promise.all(received.map((inboundMessage) => inboundMessage.confirm()));
      for (const inboundMessage of received) driverState.confirmed(inboundMessage);
    },
    stop: end,
    async close() {
      await end();
      await driver.close(session);
    },
  };
}

/** A small mail. `id` empty: without a Message-ID. */
export function mailOf(subject: string, { id = `<${subject}@example.net>`, body = 'Hello.' } = {}): string {
  const header = ['From: Anna <anna@example.net>', 'To: desk@example.test', `Subject: ${subject}`];
  if (id !== '') header.push(`Message-ID: ${id}`);
  return [...header, 'Date: Sun, 22 Nov 2026 10:00:00 +0000', '', body, ''].join('\r\n');
}

/** The subject of what arrived, '' for an inbound message without content. */
export function subjectOf({ content }: InboundMessage): string {
  const head = Buffer.from(content?.raw ?? []).toString('latin1');
  return /^Subject: (.*)\r$/m.exec(head)?.[1] ?? '';
}
