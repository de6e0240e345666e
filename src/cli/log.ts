import { Option } from 'commander';
import type { LogOptions } from '../commands/log.js';
import {
  type CliContext,
  type CommonOptions,
  configOption,
  examples,
  run,
  stopSignal,
  wholeNumber,
  withReader,
} from './context.js';

export function logCommands(context: CliContext): void {
  const { program, clock, output } = context;
  program
    .command('log')
    .description('search the delivery log')
    .option('--gateway <id or name>', 'only entries of this gateway')
    .option('--since <time>', 'only entries from then on: an ISO time, or how long ago: 15m, 2h, 7d')
    .option('--until <time>', 'only entries up to then, written in the same way')
    .option('--status <event>', `only this event: ${EVENTS}`)
    .option('--follow', 'keep running and print new entries')
    .addOption(new Option('--format <format>', 'how to print').choices(['table', 'json', 'csv']).default('table'))
    .option('--limit <number>', 'print at most this many entries, the newest', wholeNumber, 200)
    .addOption(configOption())
    .addHelpText(
      'after',
      examples(
        'gatepost log --since 2h --status rejected',
        'gatepost log --gateway Support --format csv > support.csv',
        'gatepost log --follow',
      ),
    )
    .action((options: CommonOptions & LogOptions) =>
      run(context, async () => {
        const { logCommand } = await import('../commands/log.js');
        return withReader(context, options, (journal, names) =>
          logCommand(options, journal, names, clock, output, stopSignal()),
        );
      }),
    );

  program
    .command('trace')
    .alias('explain')
    .description('show everything that happened to one message, by any of its ids, and the related messages')
    .argument('<id>', 'MessageId, RequestId, DeliverySystemId, Message-ID or key')
    .addOption(new Option('--format <format>', 'how to print').choices(['text', 'json']).default('text'))
    .addOption(configOption())
    .addHelpText('after', examples("gatepost trace '<CAF3x9…@mail.example.com>'"))
    .action((id: string, options: CommonOptions & { format: 'text' | 'json' }) =>
      run(context, async () => {
        const { traceCommand } = await import('../commands/trace.js');
        return withReader(context, options, (journal, names) =>
          traceCommand(id, options.format, journal, names, output),
        );
      }),
    );
}

const EVENTS =
  'received, dispatched, acknowledged, confirmed, deferred, quarantined, requeued, rekeyed, requested, attempt_started, sent, partial, rejected, unknown, answered, receipt, note';
