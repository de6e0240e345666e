import { type CliContext, type CommonOptions, configOf, configOption, examples, run, withReader } from './context.js';

const load = () => import('../commands/quarantine.js');

export function quarantineCommands(context: CliContext): void {
  const { program, output, write } = context;
  const quarantine = program
    .command('quarantine')
    .description('list, export and retry the messages that the server rejected again and again')
    .addHelpText(
      'after',
      examples(
        'gatepost quarantine list',
        'gatepost quarantine export 17 > message.eml',
        'gatepost quarantine retry --all',
      ),
    );

  quarantine
    .command('list')
    .description('print the quarantined messages with the reason for each')
    .addOption(configOption())
    .addHelpText('after', examples('gatepost quarantine list'))
    .action((options: CommonOptions) =>
      run(context, () =>
        withReader(context, options, async (journal, names) => (await load()).quarantineList(journal, names, output)),
      ),
    );

  quarantine
    .command('export')
    .description('print one message as it was received')
    .argument('<number>', 'as `gatepost quarantine list` shows it')
    .addOption(configOption())
    .addHelpText('after', examples('gatepost quarantine export 17 > message.eml'))
    .action((number: string, options: CommonOptions) =>
      run(context, () =>
        withReader(context, options, async (journal) => (await load()).quarantineExport(number, journal, write)),
      ),
    );

  quarantine
    .command('retry')
    .description('offer messages to the server again')
    .argument('[numbers...]', 'as `gatepost quarantine list` shows them')
    .option('--all', 'retry every quarantined message')
    .addOption(configOption())
    .addHelpText('after', examples('gatepost quarantine retry 17 18', 'gatepost quarantine retry --all'))
    .action((numbers: string[], options: CommonOptions & { all?: boolean }) =>
      run(context, () =>
        withReader(context, options, async (journal) => {
          const { dataDir } = await configOf(context, options);
          return (await load()).quarantineRetry(numbers, options.all === true, dataDir, journal, output);
        }),
      ),
    );
}
