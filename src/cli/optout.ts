import { Option } from 'commander';
import type { OptOutDeps, OptOutOptions } from '../commands/optout.js';
import { type CliContext, type CommonOptions, configOf, configOption, examples, run, withReader } from './context.js';

type Options = OptOutOptions & CommonOptions;

const load = () => import('../commands/optout.js');

const groupOption = (otherwise: string) =>
  new Option('--group <group>', `OptOutGroup of the gateways, or id or name of a gateway (${otherwise})`);

export function optOutCommands(context: CliContext): void {
  const optOut = context.program
    .command('optout')
    .description('list, add and remove numbers that do not want text messages')
    .addHelpText(
      'after',
      examples(
        'gatepost optout list',
        'gatepost optout add +420601234567 --group Newsletter',
        'gatepost optout remove +420601234567',
      ),
    );
  optOut
    .command('list')
    .description('print the numbers, with the time and the source of each opt-out')
    .addOption(groupOption('default: all'))
    .addOption(configOption())
    .addHelpText('after', examples('gatepost optout list --group Newsletter'))
    .action((options: Options) => withDeps(context, options, async (deps) => (await load()).optOutList(options, deps)));
  optOut
    .command('add')
    .description('send no more messages to a number')
    .argument('<address>', 'number with its country code (+420601234567), or a short code')
    .addOption(groupOption('mandatory'))
    .addOption(configOption())
    .addHelpText('after', examples('gatepost optout add +420601234567 --group Newsletter'))
    .action((address: string, options: Options) =>
      withDeps(context, options, async (deps) => (await load()).optOutAdd(address, options, deps)),
    );
  optOut
    .command('remove')
    .description('allow messages to a number again')
    .argument('<address>', 'as `gatepost optout list` shows it')
    .addOption(groupOption('default: every group with this number'))
    .addOption(configOption())
    .addHelpText('after', examples('gatepost optout remove +420601234567'))
    .action((address: string, options: Options) =>
      withDeps(context, options, async (deps) => (await load()).optOutRemove(address, options, deps)),
    );
}

function withDeps(context: CliContext, options: Options, work: (deps: OptOutDeps) => Promise<number>): Promise<void> {
  const { clock, output } = context;
  return run(context, () =>
    withReader(context, options, async (journal, names) => {
      const { dataDir } = await configOf(context, options);
      return work({ journal, names, groups: await journal.optOutGroups(), dataDir, clock, output });
    }),
  );
}
