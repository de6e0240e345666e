#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { contentCommands } from './cli/content.js';
import { type CliContext, run } from './cli/context.js';
import { deskCommands } from './cli/desk.js';
import { gatewayCommands } from './cli/gateways.js';
import { logCommands } from './cli/log.js';
import { optOutCommands } from './cli/optout.js';
import { quarantineCommands } from './cli/quarantine.js';
import { resolveCommands } from './cli/resolve.js';
import { secretsCommands } from './cli/secrets.js';
import { serviceCommands } from './cli/service.js';
import { processOutput } from './commands/output.js';
import { systemClock } from './kit/clock.js';
import { redactor } from './kit/redact.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
// A reader that has seen enough (`gatepost log | head`) closes the pipe; that is no reason for a stack trace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const program = new Command('gatepost')
  .description(
    'Connects a FrontStage contact center to e-mail, SMS and fax: nothing received is lost, nothing sent goes out twice.',
  )
  .version(version)
  .showHelpAfterError('(see --help for options and examples)')
  .configureHelp({ sortSubcommands: false });

const context: CliContext = {
  program,
  env: process.env,
  clock: systemClock,
  output: processOutput,
  redactor: redactor(),
  write: (bytes) => void process.stdout.write(bytes),
  loadDrivers: async () => (await import('../gateways/index.js')).drivers,
};

serviceCommands(context);
contentCommands(context);
gatewayCommands(context);
secretsCommands(context);
logCommands(context);
quarantineCommands(context);
optOutCommands(context);
resolveCommands(context);
deskCommands(context);
docsCommand();

await program.parseAsync();

function docsCommand(): void {
  program
    .command('docs', { hidden: true })
    .description('write the generated documentation, or with --check compare it')
    .option('--check', 'exit with code 1 when a page differs from what would be generated')
    .action((options: { check?: boolean }) =>
      run(context, async () => {
        const { docsCommand: writeDocs } = await import('./commands/docs.js');
        return writeDocs(options.check === true, await context.loadDrivers(), processOutput);
      }),
    );
}
