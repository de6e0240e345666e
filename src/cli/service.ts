import {
  type CliContext,
  type CommonOptions,
  configOf,
  configOption,
  examples,
  platformOf,
  run,
  stopSignal,
} from './context.js';

/** Files of the service are for its own user. */
const UMASK = 0o077;

export function serviceCommands(context: CliContext): void {
  const { program, output } = context;
  program
    .command('start')
    .description('run the connector; with server.mode embedded also the embedded server')
    .addOption(configOption())
    .addHelpText(
      'after',
      examples(
        'gatepost start',
        'gatepost start --config /etc/gatepost/gatepost.yaml',
        'GATEPOST_SERVER_MODE=remote GATEPOST_SERVER_HOST=frontstage.example.com GATEPOST_SERVER_PASSWORD=… gatepost start',
      ),
    )
    .action((options: CommonOptions) =>
      run(context, async () => {
        process.umask(UMASK);
        const config = await configOf(context, options);
        const { startCommand } = await import('../commands/start.js');
        return startCommand(config, await platformOf(context, config), output, stopSignal());
      }).finally(exit),
    );

  program
    .command('embedded-server')
    .alias('frontdesk')
    .description('run the embedded server alone, for connectors in other processes')
    .addOption(configOption())
    .addHelpText('after', examples('GATEPOST_SERVER_PASSWORD=… gatepost embedded-server --config server.yaml'))
    .action((options: CommonOptions) =>
      run(context, async () => {
        process.umask(UMASK);
        const config = await configOf(context, options);
        const { embeddedServerCommand } = await import('../commands/start.js');
        return embeddedServerCommand(config, await platformOf(context, config), output, stopSignal());
      }).finally(exit),
    );
}

/** A socket that a counterparty does not close would keep the process alive after everything has stopped. */
function exit(): void {
  process.exit(process.exitCode);
}
