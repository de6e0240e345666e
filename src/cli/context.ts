import { type Command, InvalidArgumentError, Option } from 'commander';
import type { GatewayNames } from '../commands/log.js';
import { errorText, type Output } from '../commands/output.js';
import type { TestDeps } from '../commands/test-gateway.js';
import type { Config } from '../config.js';
import type { JournalReader } from '../journal/open.js';
import { type Clock, systemRandom } from '../kit/clock.js';
import type { LogLevel } from '../kit/log.js';
import type { Redactor } from '../kit/redact.js';
import type { DriverTable } from '../pipeline/gateways/config.js';
import type { Platform } from '../service.js';

/** What every command is handed: the program to add itself to, and what differs between a shell and a test. */
export interface CliContext {
  readonly program: Command;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly output: Output;
  readonly write: (bytes: Uint8Array) => void;
  /** Of everything that this run of the program prints or logs. */
  readonly redactor: Redactor;
  readonly loadDrivers: () => Promise<DriverTable>;
}

export interface CommonOptions {
  config?: string;
}

/** Other Id than any gateway has, for messages that name none. */
export const NO_GATEWAY = '00000000-0000-0000-0000-000000000000';

export const configOption = () =>
  new Option(
    '-c, --config <file>',
    'configuration file (default: gatepost.yaml, config/gatepost.yaml, /etc/gatepost/gatepost.yaml)',
  );

/** Runs the work of a command and turns its result or its error into output and an exit code. */
export async function run({ output, redactor }: CliContext, work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    output.say(redactor.redact(errorText(error)));
    process.exitCode = 1;
  }
}

export async function configOf({ env }: CliContext, { config }: CommonOptions): Promise<Config> {
  const { findConfig, loadConfig } = await import('../config.js');
  return loadConfig(config ?? findConfig(env), env);
}

/** What a running service is handed. Commands other than `start` and `embedded-server` log nothing. */
export async function platformOf(
  { clock, env, redactor, loadDrivers }: CliContext,
  config: Config,
  level: LogLevel = config.log.level,
): Promise<Platform> {
  const { format } = config.log;
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true);
  const [drivers, { openJournalThread }, { createLog }] = await Promise.all([
    loadDrivers(),
    import('../journal/worker/client.js'),
    import('../kit/create-log.js'),
  ]);
  return {
    openJournal: openJournalThread,
    clock,
    random: systemRandom,
    redactor,
    log: createLog({ level, redactor, pretty }),
    env,
    drivers,
  };
}

export async function gatewayDeps(context: CliContext, config: Config): Promise<TestDeps> {
  const [platform, { secretsFrom }, { policyOf }] = await Promise.all([
    platformOf(context, config, 'silent'),
    import('../pipeline/gateways/secrets.js'),
    import('../policy-settings.js'),
  ]);
  return {
    ...platform,
    secrets: secretsFrom({ env: context.env, folder: config.secretsDir }),
    policy: policyOf(config, { remembers: false }),
  };
}

/** Opens the journal for reading, also while the service writes it. */
export async function withReader(
  context: CliContext,
  options: CommonOptions,
  use: (journal: JournalReader, names: GatewayNames) => Promise<number>,
): Promise<number> {
  const [{ openJournalReader }, { attachmentFolder }] = await Promise.all([
    import('../journal/open.js'),
    import('../config.js'),
  ]);
  const config = await configOf(context, options);
  const journal = await openJournalReader(config.journal, attachmentFolder(config));
  try {
    return await use(journal, await journal.names());
  } finally {
    await journal.close();
  }
}

/** Aborted by the first Ctrl-C or SIGTERM; a second one ends the process at once. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = () => (controller.signal.aborted ? process.exit(130) : controller.abort());
  process.on('SIGINT', stop).on('SIGTERM', stop);
  return controller.signal;
}

export function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('must be a whole number from 1');
  return number;
}

/** The examples at the end of a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
