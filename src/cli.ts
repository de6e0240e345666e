#!/usr/bin/env node
// Owns the command line: commands, options, help. Each command's work is in src/commands, loaded when it is asked for.
import { createRequire } from 'node:module';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { GatewayNames } from './commands/log.js';
import { optOutCommand } from './commands/optout-cli.js';
import { errorText, processOutput as output } from './commands/output.js';
import { attachmentFolder, type Config, findConfig, loadConfig } from './config.js';
import type { Desk } from './embedded-server/desk.js';
import type { JournalReader } from './journal/open.js';
import { systemClock, systemRandom } from './kit/clock.js';
import { createLog, type LogLevel } from './kit/log.js';
import { redactor } from './kit/redact.js';
import type { Platform } from './service.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
const NO_GATEWAY = '00000000-0000-0000-0000-000000000000';
const env = process.env;
// Whoever reads our output has seen enough (`gatepost log | head`): no reason for a stack trace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
const clock = systemClock;

const program = new Command('gatepost')
  .description(
    'Carries e-mail, text messages and faxes between gateways and a FrontStage contact center: nothing received is lost, nothing sent goes out twice.',
  )
  .version(version)
  .showHelpAfterError('(see --help for options and examples)')
  .configureHelp({ sortSubcommands: false });

/** Runs a command's work and turns what it throws into a sentence and an exit code. */
function run(work: () => Promise<number>): Promise<void> {
  return work().then(
    (code) => {
      process.exitCode = code;
    },
    (error) => {
      output.say(errorText(error));
      process.exitCode = 1;
    },
  );
}

interface Common {
  config?: string;
}

const configOption = () =>
  new Option(
    '-c, --config <file>',
    'configuration file (default: gatepost.yaml, config/gatepost.yaml, /etc/gatepost/gatepost.yaml)',
  );

function configOf({ config }: Common): Config {
  return loadConfig(config ?? findConfig(env), env);
}

/** Everything a running service is handed; commands other than start keep their log quiet. */
async function platformOf(config: Config, level: LogLevel = config.log.level): Promise<Platform> {
  const secrets = redactor();
  const { format } = config.log;
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true);
  const [{ drivers }, { openJournalThread }] = await Promise.all([
    import('../gateways/index.js'),
    import('./journal/worker/client.js'),
  ]);
  return {
    openJournal: openJournalThread,
    clock,
    random: systemRandom,
    redactor: secrets,
    log: createLog({ level, redactor: secrets, pretty }),
    env,
    drivers,
  };
}

async function gatewayConfigDeps(config: Config) {
  const [platform, { secretsFrom }] = await Promise.all([
    platformOf(config, 'silent'),
    import('./pipeline/gateways/secrets.js'),
  ]);
  return { ...platform, secrets: secretsFrom({ env, folder: config.secretsDir }) };
}

/** Aborted by the first Ctrl-C or SIGTERM; a second one ends the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = () => (controller.signal.aborted ? process.exit(130) : controller.abort());
  process.on('SIGINT', stop).on('SIGTERM', stop);
  return controller.signal;
}

program
  .command('start')
  .description('run the connector (with the embedded front desk, unless server.mode is remote)')
  .addOption(configOption())
  .addHelpText(
    'after',
    '\nExamples:\n  gatepost start\n  gatepost start --config /etc/gatepost/gatepost.yaml\n  GATEPOST_SERVER_MODE=remote GATEPOST_SERVER_HOST=frontstage.example.com GATEPOST_SERVER_PASSWORD=… gatepost start',
  )
  .action((options: Common) =>
    run(async () => {
      const config = configOf(options);
      const { startCommand } = await import('./commands/start.js');
      return startCommand(config, await platformOf(config), output, stopSignal());
    }),
  );

program
  .command('frontdesk')
  .description('run the front desk alone: a server for connectors in other processes')
  .addOption(configOption())
  .addHelpText('after', '\nExample:\n  GATEPOST_SERVER_PASSWORD=… gatepost frontdesk --config desk.yaml')
  .action((options: Common) =>
    run(async () => {
      const config = configOf(options);
      const { frontdeskCommand } = await import('./commands/start.js');
      return frontdeskCommand(config, await platformOf(config), output, stopSignal());
    }),
  );

program
  .command('parse')
  .description('mail (with --fax a TIFF or PDF) on standard input -> MessageContentInfo as JSON on standard output')
  .option('--gateway <id>', 'GatewayId to write into it', NO_GATEWAY)
  .option('--attachments <folder>', 'write the attachments there')
  .option('--fax', 'read a received fax: TIFF or PDF')
  .option('--from <number>', 'number of the caller (with --fax)')
  .option('--region <country>', 'country in which that number is read, as two letters (with --fax)')
  .addHelpText(
    'after',
    '\nBroken mail is no failure: it comes out reduced, with the reason in its body.\n\nExample:\n  gatepost parse < message.eml | jq -r .BodyText\n  gatepost parse --fax --from +420222333444 --attachments out < fax.tif',
  )
  .action((options: Parameters<typeof import('./commands/parse.js').parseCommand>[0]) =>
    run(async () => (await import('./commands/parse.js')).parseCommand(options, clock, output)),
  );

program
  .command('compose')
  .description('order (MessageContentInfo as JSON) on standard input -> the mail on standard output')
  .option('--from <address>', 'sender address, as the gateway setting From')
  .option('--from-name <name>', 'sender name, as the gateway setting FromName')
  .addHelpText(
    'after',
    '\nExample:\n  echo \'{"MessageId":"5f2c8f0e-6f0e-4c38-9d0a-0d5c4d8e7a11","RemoteAddress":"ann@example.com","SubjectField":"Hello","BodyText":"Hi"}\' | gatepost compose --from support@example.com',
  )
  .action((options: { from?: string; fromName?: string }) =>
    run(async () =>
      (await import('./commands/compose.js')).composeCommand(options, clock, (bytes) => process.stdout.write(bytes)),
    ),
  );

program
  .command('render-fax')
  .description('order (MessageContentInfo as JSON) on standard input -> the fax on standard output, as PDF')
  .option('--tiff', 'the page images of the line (TIFF, G4) in place of the PDF')
  .addOption(new Option('--page-size <size>', 'size of the pages').choices(['A4', 'Letter', 'Legal']).default('A4'))
  .addOption(
    new Option('--resolution <name>', 'dots of the page images')
      .choices(['Standard', 'Fine', 'Superfine'])
      .default('Fine'),
  )
  .option('--header <text>', 'line on top of every page, as the gateway setting Header')
  .option('--station <number>', 'own number, as the gateway setting StationId')
  .option('--cover', 'with a cover page, as the gateway setting CoverPage')
  .option('--plain', 'the plain layout, also where there is a browser')
  .addHelpText(
    'after',
    '\nExample:\n  echo \'{"RemoteAddress":"+420222333444","SubjectField":"Offer","BodyHtml":"<h1>Hello</h1>"}\' | gatepost render-fax --header "Example Ltd." > fax.pdf',
  )
  .action((options: Parameters<typeof import('./commands/render-fax.js').renderFaxCommand>[0]) =>
    run(async () => {
      const { renderFaxCommand } = await import('./commands/render-fax.js');
      const log = createLog({ level: 'warn', redactor: redactor(), pretty: true });
      return renderFaxCommand(options, { clock, log }, (bytes) => process.stdout.write(bytes), stopSignal());
    }),
  );

program
  .command('sms-segments')
  .description('text on standard input -> its encoding, number of messages and what forces UCS-2, as JSON')
  .addHelpText('after', '\nExample:\n  printf "Dobrý den" | gatepost sms-segments')
  .action(() => run(async () => (await import('./commands/sms-segments.js')).smsSegmentsCommand(output)));

program
  .command('check')
  .description('check gateway definitions: every problem with file, line, gateway, setting and what would be right')
  .argument('<file>', 'gateways file, for example config/gateways.yaml')
  .addOption(configOption())
  .addHelpText('after', '\nExit code 1 when there is a problem.\n\nExample:\n  gatepost check config/gateways.yaml')
  .action((file: string, options: Common) =>
    run(async () =>
      (await import('./commands/check.js')).checkCommand(file, await gatewayConfigDeps(configOf(options)), output),
    ),
  );

program
  .command('test')
  .description('test the connection of a gateway step by step, with evidence; changes nothing')
  .argument('<gateway>', 'id or display name')
  .option('--direction <I|O>', 'only this direction')
  .option('--device <device>', 'test this device string in place of the stored one')
  .addOption(configOption())
  .addHelpText(
    'after',
    '\nExamples:\n  gatepost test "Support mailbox"\n  gatepost test Support --device \'ImapHost { "Host": "mail.example.com", "User": "support", "Password": "…" }\'',
  )
  .action((name: string, options: Common & { direction?: string; device?: string }) =>
    run(async () => {
      const config = configOf(options);
      const { testCommand } = await import('./commands/test-gateway.js');
      return testCommand(name, options, config, await gatewayConfigDeps(config), output);
    }),
  );

program
  .command('log')
  .description('search the delivery log')
  .option('--gateway <id or name>', 'only this gateway')
  .option('--since <time>', 'ISO time, or how long ago: 15m, 2h, 7d')
  .option('--until <time>', 'the same')
  .option(
    '--status <step>',
    'only this step: received, acknowledged, confirmed, refused, quarantined, sent, deferred, rejected, partial, unknown, answered, …',
  )
  .option('--follow', 'go on as new entries come')
  .addOption(new Option('--format <format>', 'how to print').choices(['table', 'json', 'csv']).default('table'))
  .option('--limit <number>', 'newest entries at most', wholeNumber, 200)
  .addOption(configOption())
  .addHelpText(
    'after',
    '\nExamples:\n  gatepost log --since 2h --status rejected\n  gatepost log --gateway Support --format csv > support.csv\n  gatepost log --follow',
  )
  .action((options: Common & Parameters<typeof import('./commands/log.js').logCommand>[0]) =>
    run(async () => {
      const { logCommand } = await import('./commands/log.js');
      return withReader(options, (journal, names) => logCommand(options, journal, names, clock, output, stopSignal()));
    }),
  );

program
  .command('explain')
  .description('the whole story of one message, by any of its ids')
  .argument('<id>', 'MessageId, RequestId, DeliverySystemId, Message-ID or key')
  .addOption(new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'))
  .addOption(configOption())
  .addHelpText('after', "\nExample:\n  gatepost explain '<CAF3x9…@mail.example.com>'")
  .action((id: string, options: Common & { format: 'text' | 'json' }) =>
    run(async () => {
      const { explainCommand } = await import('./commands/log.js');
      return withReader(options, (journal, names) => explainCommand(id, options.format, journal, names, output));
    }),
  );

const quarantine = program
  .command('quarantine')
  .description('messages that the server kept refusing: kept whole, to be looked at and tried again')
  .addHelpText(
    'after',
    '\nExamples:\n  gatepost quarantine list\n  gatepost quarantine export 17 > message.eml\n  gatepost quarantine retry --all',
  );

const inQuarantine = () => import('./commands/quarantine.js');

quarantine
  .command('list')
  .description('what waits there, and why')
  .addOption(configOption())
  .action((options: Common) =>
    run(() =>
      withReader(options, async (journal, names) => (await inQuarantine()).quarantineList(journal, names, output)),
    ),
  );

quarantine
  .command('export')
  .description('one message as it came, to standard output')
  .argument('<number>', 'as `gatepost quarantine list` shows it')
  .addOption(configOption())
  .action((number: string, options: Common) =>
    run(() =>
      withReader(options, async (journal) =>
        (await inQuarantine()).quarantineExport(number, journal, (bytes) => process.stdout.write(bytes)),
      ),
    ),
  );

quarantine
  .command('retry')
  .description('hand messages over once more')
  .argument('[numbers...]', 'as `gatepost quarantine list` shows them')
  .option('--all', 'all of them')
  .addOption(configOption())
  .action((numbers: string[], options: Common & { all?: boolean }) =>
    run(() =>
      withReader(options, async (journal) =>
        (await inQuarantine()).quarantineRetry(
          numbers,
          options.all === true,
          configOf(options).dataDir,
          journal,
          output,
        ),
      ),
    ),
  );

optOutCommand(program, configOption, (options, work) =>
  run(async () => {
    const { dataDir } = configOf(options);
    return withReader(options, async (journal, names) =>
      work({ journal, names, groups: await journal.optOutGroups(), dataDir, clock, output }),
    );
  }),
);

const desk = program
  .command('desk')
  .description('the front desk on the command line: see what came in, answer it, send something')
  .addHelpText(
    'after',
    '\nExamples:\n  gatepost desk inbox\n  gatepost desk read 3f2a\n  gatepost desk reply 3f2a --text "Thank you, we are on it."\n  gatepost desk send --gateway "Pickup folder" --to ann@example.com --subject Hello --text "Good morning"',
  );

type DeskWork = (desk: Desk, commands: typeof import('./embedded-server/desk.js')) => Promise<number>;

function atDesk(options: Common, work: DeskWork): Promise<void> {
  return run(async () => {
    const config = configOf(options);
    const commands = await import('./embedded-server/desk.js');
    const columns = process.stdout.isTTY ? process.stdout.columns : undefined;
    const out = (text: string) => output.out(`${text}\n`);
    return work({ storePath: config.frontdesk.store, clock, out, signal: stopSignal(), columns }, commands);
  });
}

interface WritingOptions extends Common {
  text: string;
  html?: string;
  wait: boolean;
}

desk
  .command('inbox')
  .description('received messages, newest first')
  .addOption(configOption())
  .option('--limit <number>', 'at most this many', wholeNumber, 30)
  .action((options: Common & { limit: number }) => atDesk(options, (at, { deskInbox }) => deskInbox(at, options)));

desk
  .command('outbox')
  .description('orders and their states, newest first')
  .addOption(configOption())
  .option('--limit <number>', 'at most this many', wholeNumber, 30)
  .action((options: Common & { limit: number }) => atDesk(options, (at, { deskOutbox }) => deskOutbox(at, options)));

desk
  .command('read')
  .description('one message with its events')
  .argument('<id>', 'id or its beginning')
  .addOption(configOption())
  .action((id: string, options: Common) => atDesk(options, (at, { deskRead }) => deskRead(at, id)));

desk
  .command('reply')
  .description('answer a received message and see what becomes of the answer')
  .argument('<id>', 'id or its beginning')
  .requiredOption('--text <text>', 'the answer')
  .option('--html <html>', 'the same as HTML')
  .option('--gateway <gateway>', 'outbound gateway, when it is not obvious')
  .option('--no-wait', 'return as soon as the order is queued')
  .addOption(configOption())
  .action((id: string, options: WritingOptions & { gateway?: string }) =>
    atDesk(options, (at, { deskReply }) => deskReply(at, id, { ...options, noWait: !options.wait })),
  );

desk
  .command('send')
  .description('send a message and see what becomes of it')
  .requiredOption('--gateway <gateway>', 'outbound gateway: id, its beginning, or name')
  .requiredOption('--to <address>', 'recipient')
  .requiredOption('--subject <subject>', 'subject')
  .requiredOption('--text <text>', 'the message')
  .option('--html <html>', 'the same as HTML')
  .option('--no-wait', 'return as soon as the order is queued')
  .addOption(configOption())
  .action((options: WritingOptions & { gateway: string; to: string; subject: string }) =>
    atDesk(options, (at, { deskSend }) => deskSend(at, { ...options, noWait: !options.wait })),
  );

program
  .command('docs', { hidden: true })
  .description('write the generated documentation, or with --check compare it')
  .option('--check', 'exit code 1 when a page is not what would be generated')
  .action((options: { check?: boolean }) =>
    run(async () => {
      const [{ docsCommand }, { drivers }] = await Promise.all([
        import('./commands/docs.js'),
        import('../gateways/index.js'),
      ]);
      return docsCommand(options.check === true, drivers, output);
    }),
  );

/** Opens the journal for reading, also while the service writes it. */
async function withReader(
  options: Common,
  use: (journal: JournalReader, names: GatewayNames) => Promise<number>,
): Promise<number> {
  const { openJournalReader } = await import('./journal/open.js');
  const config = configOf(options);
  const journal = await openJournalReader(config.journal, attachmentFolder(config));
  try {
    return await use(journal, await journal.names());
  } finally {
    await journal.close();
  }
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('must be a whole number from 1');
  return number;
}

await program.parseAsync();
