import type { ResolveDeps, ResolveOptions } from '../commands/resolve.js';
import type { Config } from '../config.js';
import { silentLog } from '../kit/log.js';
import type { ResolveRequest } from '../pipeline/control-requests.js';
import { type CliContext, type CommonOptions, configOf, configOption, examples, run, withReader } from './context.js';

type Options = ResolveOptions & CommonOptions;

export function resolveCommands(context: CliContext): void {
  context.program
    .command('resolve')
    .description('decide whether a message of unknown outcome was sent; without an id, list those that wait for it')
    .argument('[id]', 'MessageId or any other id of the message, or its beginning')
    .option('--sent', 'the recipient has the message')
    .option('--not-sent', 'the message surely did not go out')
    .option('--note <text>', 'how this is known; goes into the delivery log')
    .addOption(configOption())
    .addHelpText(
      'after',
      examples(
        'gatepost resolve',
        'gatepost resolve 5f2c8f0e-6f0e-4c38-9d0a-0d5c4d8e7a11 --sent --note "the customer confirmed it by phone"',
      ),
    )
    .action((id: string | undefined, options: Options) =>
      run(context, async () => {
        const { resolveCommand, resolveList } = await import('../commands/resolve.js');
        return withReader(context, options, async (journal, names) => {
          const deps = depsOf(context, await configOf(context, options), journal, names);
          return id === undefined ? resolveList(deps) : resolveCommand(id, options, deps);
        });
      }),
    );
}

function depsOf(
  { clock, output }: CliContext,
  config: Config,
  journal: ResolveDeps['journal'],
  names: ResolveDeps['names'],
): ResolveDeps {
  async function resolveDirectly({ messageId, verdict, note, at }: ResolveRequest) {
    const [{ openJournal }, { attachmentFolder }] = await Promise.all([
      import('../journal/open.js'),
      import('../config.js'),
    ]);
    const own = await openJournal(config.journal, { clock, log: silentLog, directory: attachmentFolder(config) });
    try {
      return await own.resolve(messageId, verdict, note, at);
    } finally {
      await own.close();
    }
  }
  return { journal, names, dataDir: config.dataDir, clock, output, resolveDirectly };
}
