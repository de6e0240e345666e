// Owns the options and help of `gatepost optout`; its work is in optout.ts, loaded when it is asked for.
import { type Command, Option } from 'commander';
import type { OptOutDeps, OptOutOptions } from './optout.js';

type Options = OptOutOptions & { config?: string };
type At = (options: Options, work: (deps: OptOutDeps) => Promise<number>) => Promise<void>;

const work = () => import('./optout.js');

const groupOption = (otherwise: string) =>
  new Option('--group <group>', `OptOutGroup of the gateways, or id or name of a gateway (${otherwise})`);

/** `at` opens what the work needs, and turns its end into an exit code. */
export function optOutCommand(program: Command, configOption: () => Option, at: At): void {
  const optOut = program
    .command('optout')
    .description('who does not want messages: by keyword, by word of the carrier, or entered here')
    .addHelpText(
      'after',
      '\nExamples:\n  gatepost optout list\n  gatepost optout add +420601234567 --group Newsletter\n  gatepost optout remove +420601234567',
    );
  optOut
    .command('list')
    .description('their addresses, since when and why')
    .addOption(groupOption('default: all'))
    .addOption(configOption())
    .action((options: Options) => at(options, async (deps) => (await work()).optOutList(options, deps)));
  optOut
    .command('add')
    .description('send no more messages to a number')
    .argument('<address>', 'number with its country code: +420601234567')
    .addOption(groupOption('needed'))
    .addOption(configOption())
    .action((address: string, options: Options) =>
      at(options, async (deps) => (await work()).optOutAdd(address, options, deps)),
    );
  optOut
    .command('remove')
    .description('let messages go to a number again')
    .argument('<address>', 'as `gatepost optout list` shows it')
    .addOption(groupOption('default: all that have it'))
    .addOption(configOption())
    .action((address: string, options: Options) =>
      at(options, async (deps) => (await work()).optOutRemove(address, options, deps)),
    );
}
