import {
  type CliContext,
  type CommonOptions,
  configOf,
  configOption,
  examples,
  gatewayDeps,
  run,
  stopSignal,
} from './context.js';

export function gatewayCommands(context: CliContext): void {
  const { program, output } = context;
  program
    .command('check')
    .description('check a gateways file and print every problem with its line, gateway, setting and correction')
    .argument('<file>', 'gateways file, for example config/gateways.yaml')
    .addOption(configOption())
    .addHelpText(
      'after',
      `\nThe exit code is 1 when there is a problem.\n${examples('gatepost check config/gateways.yaml')}`,
    )
    .action((file: string, options: CommonOptions) =>
      run(context, async () => {
        const [{ checkCommand }, { plaintextWarning }] = await Promise.all([
          import('../commands/check.js'),
          import('../server-settings.js'),
        ]);
        const config = await configOf(context, options);
        const warning = plaintextWarning(config);
        if (warning !== null) output.out(`warning: ${warning}\n`);
        return checkCommand(file, await gatewayDeps(context, config), output);
      }),
    );

  program
    .command('test')
    .description('test the connection of a gateway step by step and show the evidence; changes nothing')
    .argument('<gateway>', 'id or display name')
    .option('--direction <I|O>', 'test only this direction')
    .option('--device <device>', 'test this Device in place of the one in the list')
    .addOption(configOption())
    .addHelpText(
      'after',
      examples(
        'gatepost test "Support mailbox"',
        'gatepost test Support --device \'ImapHost { "Host": "mail.example.com", "User": "support", "Password": "…" }\'',
      ),
    )
    .action((name: string, options: CommonOptions & { direction?: string; device?: string }) =>
      run(context, async () => {
        const config = await configOf(context, options);
        const { testCommand } = await import('../commands/test-gateway.js');
        return testCommand(name, options, config, await gatewayDeps(context, config), output);
      }),
    );
  oauthCommands(context);
}

function oauthCommands(context: CliContext): void {
  const { program, output } = context;
  program
    .command('oauth')
    .description('ask a person for consent to a mailbox (OAuth2) and write the refresh token into the secrets folder')
    .argument('<gateway>', 'id or display name')
    .option('--direction <I|O>', 'only this direction')
    .option('--browser', 'sign in with a browser on this machine in place of a code; always so with Google')
    .addOption(configOption())
    .addHelpText('after', examples('gatepost oauth "Support mailbox"'))
    .action((name: string, options: CommonOptions & { direction?: string; browser?: boolean }) =>
      run(context, async () => {
        const config = await configOf(context, options);
        const { oauthCommand } = await import('../commands/oauth.js');
        return oauthCommand(name, options, config, await gatewayDeps(context, config), output, stopSignal());
      }),
    );
}
