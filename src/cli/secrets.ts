import { type CliContext, type CommonOptions, configOf, configOption, examples, run } from './context.js';

export function secretsCommands(context: CliContext): void {
  const { program, output } = context;
  const secrets = program
    .command('secrets')
    .description('show and change which hosts a secret of this connector may be sent to');

  secrets
    .command('list')
    .description('list the secrets and their hosts; never their values')
    .addOption(configOption())
    .action((options: CommonOptions) =>
      run(context, async () => {
        const { listCommand } = await import('../commands/secrets.js');
        return listCommand(await configOf(context, options), output);
      }),
    );

  secrets
    .command('allow')
    .description('allow a secret to be sent to one more host')
    .argument('<name>', 'name of the secret, as in ${file:NAME} or ${env:NAME}')
    .argument('<host>', 'host as in the settings of the gateway, without port')
    .option('--plaintext', 'the secret may also cross a network without TLS and a verified certificate')
    .addOption(configOption())
    .addHelpText('after', examples('gatepost secrets allow smtp-password smtp.example.com'))
    .action((name: string, host: string, options: CommonOptions & { plaintext?: boolean }) =>
      run(context, async () => {
        const { allowCommand } = await import('../commands/secrets.js');
        return allowCommand(
          await configOf(context, options),
          { name, host, plaintext: options.plaintext === true },
          output,
        );
      }),
    );

  secrets
    .command('forget')
    .description('forget the hosts of a secret: it then belongs to the next host it is used for')
    .argument('<name>', 'name of the secret')
    .addOption(configOption())
    .action((name: string, options: CommonOptions) =>
      run(context, async () => {
        const { forgetCommand } = await import('../commands/secrets.js');
        return forgetCommand(await configOf(context, options), name, output);
      }),
    );
}
