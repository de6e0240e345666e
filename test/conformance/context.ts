// What a driver gets in tests: a context over real parts, an outgoing mail, an attempt, a certificate.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  Attempt,
  ComposedMail,
  ComposedMessage,
  ComposedText,
  Content,
  DeliveryReceipt,
  Driver,
  DriverState,
  GatewayContext,
  Network,
  SecretStore,
  Shared,
} from '../../src/driver/contract.js';
import { openNetwork } from '../../src/driver/network.js';
import { segmentsOf } from '../../src/driver/shared/text.js';
import { sharedByDevice } from '../../src/driver/shared-state.js';
import { type Clock, systemClock, systemRandom } from '../../src/kit/clock.js';
import { type Log, silentLog } from '../../src/kit/log.js';
import { createDriverState } from '../fixtures/driver-state.js';
import { createSecretStore } from '../fixtures/secret-store.js';
import { runToEnd } from '../servers/process.js';

export interface ContextOptions {
  direction?: 'I' | 'O';
  clock?: Clock;
  driverState?: DriverState;
  log?: Log;
  dataDir?: string;
  network?: Network;
  diskFull?: () => Promise<boolean>;
  /** The state of one service for the whole test file when absent; a test with several services gives each its own. */
  shared?: Shared;
  /** Accounts of its own for each gateway when absent. */
  accounts?: Shared;
  secretStore?: SecretStore;
  /** Collects the delivery receipts that the driver reports. */
  receipts?: DeliveryReceipt[];
  webhookUrl?: string;
  /** Collects the reasons of rejected input. */
  inputRejected?: string[];
  /** Collects the problems that the driver reports and has not reported as over, by what they concern. */
  problems?: Map<string, string>;
}

/** All gateways of a test file run in one service. */
const oneService = sharedByDevice();

/** The context of a gateway with these settings, as an administrator writes them; throws when they are wrong. */
export function contextOf<Settings>(
  driver: Pick<Driver<Settings, unknown, Content, ComposedMessage>, 'device' | 'settings'>,
  written: Readonly<Record<string, unknown>>,
  options: ContextOptions = {},
): GatewayContext<Settings> {
  const parsed = driver.settings.parse(written);
  if (!parsed.ok) throw new Error(parsed.problems.map(({ setting, message }) => `${setting} ${message}`).join('; '));
  const direction = options.direction ?? 'I';
  return {
    gateway: { id: '11111111-2222-4333-8444-555555555555', displayName: `${driver.device} test`, direction },
    settings: parsed.settings,
    clock: options.clock ?? systemClock,
    random: systemRandom,
    log: options.log ?? silentLog,
    driverState: options.driverState ?? createDriverState(),
    shared: options.shared ?? oneService(driver.device),
    accounts: options.accounts ?? sharedByDevice()('*'),
    secretStore: options.secretStore ?? createSecretStore(),
    network: options.network ?? openNetwork,
    dataDir: options.dataDir ?? tmpdir(),
    diskFull: options.diskFull ?? (async () => false),
    webhookUrl: options.webhookUrl ?? null,
    reportReceipts: async (receipts) => void options.receipts?.push(...receipts),
    reportProblem: problemCollector(options.problems),
    inputRejected: (reason) => void options.inputRejected?.push(reason),
  };
}

/** As the supervisor keeps them; fails where `about` is no fixed word, or the problem no sentence of one line. */
export function problemCollector(problems = new Map<string, string>()): GatewayContext<unknown>['reportProblem'] {
  return (about, problem) => {
    if (!/^[a-z]+(?:_[a-z]+)*$/.test(about)) throw new Error(`a problem is reported about "${about}"`);
    if (problem === null) return void problems.delete(about);
    if (!/^[^\n]{15,600}$/.test(problem)) throw new Error(`a problem is no sentence of one line: ${problem}`);
    problems.set(about, problem);
  };
}

/** A small mail in CRLF lines, with a line that needs dot-stuffing. */
export function mailBytes(subject: string, extra: { to?: string; id?: string; body?: string } = {}): Buffer {
  const id = extra.id ?? `<${subject.replace(/\W+/g, '-')}@conformance.test>`;
  const head = [`From: Desk <desk@example.test>`, `To: ${extra.to ?? 'anna@example.net'}`, `Subject: ${subject}`];
  const text = ['Date: Sun, 22 Nov 2026 10:00:00 +0000', `Message-ID: ${id}`, '', extra.body ?? 'Hello.', '.dot', ''];
  return Buffer.from([...head, ...text].join('\r\n'));
}

export function outboundMail(
  subject: string,
  recipients: readonly string[] = ['anna@example.net'],
  body?: string,
): ComposedMail {
  const messageId = `<${subject.replace(/\W+/g, '-')}@conformance.test>`;
  const raw = mailBytes(subject, { to: recipients.join(', '), id: messageId, ...(body === undefined ? {} : { body }) });
  return { kind: 'mail', raw, messageId, from: 'desk@example.test', recipients };
}

/** A text message as the content rules compose it. */
export function outboundText(text: string, to = '+420777123456', from = '12345'): ComposedText {
  const { encoding, segments } = segmentsOf(text);
  return { kind: 'text', to, from, text, encoding, segments, reference: `ref ${text.slice(0, 40)}` };
}

/** An attempt that a test aborts by hand. */
export function attemptOf(messageId = '99999999-0000-4000-8000-000000000001'): Attempt & { abort(): void } {
  const controller = new AbortController();
  return {
    messageId,
    number: 1,
    firstAttemptAt: systemClock.now(),
    startedAt: systemClock.now(),
    signal: controller.signal,
    remaining: () => (controller.signal.aborted ? 0 : 85_000),
    note: () => {},
    abort: () => controller.abort(new Error('the deadline of the answer has passed')),
  };
}

/** A temporary folder; `remove` deletes it. */
export function tempDir(): { dir: string; remove(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'gatepost-test-'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** A self-signed certificate for localhost and mail.test, made by openssl, as PEM texts and as files in `dir`. */
export async function certificate(
  dir: string,
): Promise<{ key: string; cert: string; keyFile: string; certFile: string }> {
  const keyFile = join(dir, 'key.pem');
  const certFile = join(dir, 'cert.pem');
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,DNS:mail.test'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30'];
  await runToEnd('openssl', ['req', '-x509', ...kind, ...names, '-keyout', keyFile, '-out', certFile]);
  return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8'), keyFile, certFile };
}
