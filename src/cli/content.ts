import { Option } from 'commander';
import type { ParseOptions } from '../commands/read-input.js';
import type { RenderFaxOptions } from '../commands/render-fax.js';
import { type CliContext, examples, NO_GATEWAY, run, stopSignal } from './context.js';

/** Commands that show what becomes of one message, without a journal and without a server. */
export function contentCommands(context: CliContext): void {
  parseCommand(context);
  composeCommand(context);
  renderFaxCommand(context);
  context.program
    .command('sms-segments')
    .description('read a text and print its encoding, its number of parts and what forces UCS-2, as JSON')
    .addHelpText('after', examples('printf "Dobrý den" | gatepost sms-segments'))
    .action(() =>
      run(context, async () => (await import('../commands/sms-segments.js')).smsSegmentsCommand(context.output)),
    );
}

function parseCommand(context: CliContext): void {
  context.program
    .command('parse')
    .description(
      'read mails (with --fax TIFF or PDF files) and print the MessageContentInfo that each becomes, as JSON',
    )
    .argument('[paths...]', 'files or folders; without any, standard input')
    .option('--gateway <id>', 'GatewayId to write into it', NO_GATEWAY)
    .option(
      '--attachments <folder>',
      'write the attachments into this folder; of several files each gets a folder inside it',
    )
    .option('--fax', 'read a received fax: TIFF or PDF')
    .option('--from <number>', 'number of the caller (with --fax)')
    .option('--region <country>', 'country of that number, as two letters (with --fax)')
    .addHelpText(
      'after',
      `\nA broken mail is no failure: its text is printed as far as it can be read, with the reason in the body.
Several files, or a folder with all folders inside it, are printed as one line of JSON for each file (NDJSON), with the name in File.
A file that cannot be read gets a line with the reason in Error; the exit code is then 1. Names that begin with a dot are left out.\n${examples(
        'gatepost parse < message.eml | jq -r .BodyText',
        'gatepost parse Maildir > mails.ndjson',
        "gatepost parse a.eml b.eml | jq -r '[.File, .SubjectField] | @tsv'",
        'gatepost parse --fax --from +420222333444 --attachments out < fax.tif',
      )}`,
    )
    .action((paths: string[], options: ParseOptions) =>
      run(context, async () =>
        (await import('../commands/parse.js')).parseCommand(paths, options, context.clock, context.output),
      ),
    );
}

function composeCommand(context: CliContext): void {
  context.program
    .command('compose')
    .description('read a send request (MessageContentInfo as JSON) and print the mail it becomes')
    .option('--from <address>', 'sender address, like the gateway setting From')
    .option('--from-name <name>', 'sender name, like the gateway setting FromName')
    .addHelpText(
      'after',
      examples(
        'echo \'{"MessageId":"5f2c8f0e-6f0e-4c38-9d0a-0d5c4d8e7a11","RemoteAddress":"ann@example.com","SubjectField":"Hello","BodyText":"Hi"}\' | gatepost compose --from support@example.com',
      ),
    )
    .action((options: { from?: string; fromName?: string }) =>
      run(context, async () =>
        (await import('../commands/compose.js')).composeCommand(options, context.clock, context.write),
      ),
    );
}

function renderFaxCommand(context: CliContext): void {
  const { program, clock, write } = context;
  program
    .command('render-fax')
    .description('read a send request (MessageContentInfo as JSON) and print the fax it becomes, as PDF')
    .option('--tiff', 'print the page images that are transmitted (TIFF, G4) in place of the PDF')
    .addOption(new Option('--page-size <size>', 'size of the pages').choices(['A4', 'Letter', 'Legal']).default('A4'))
    .addOption(
      new Option('--resolution <name>', 'resolution of the page images')
        .choices(['Standard', 'Fine', 'Superfine'])
        .default('Fine'),
    )
    .option('--header <text>', 'line on top of every page, like the gateway setting Header')
    .option('--station <number>', 'own fax number, like the gateway setting StationId')
    .option('--cover', 'add a cover page, like the gateway setting CoverPage')
    .option('--plain', 'use the plain layout even where a browser is installed')
    .addHelpText(
      'after',
      examples(
        'echo \'{"RemoteAddress":"+420222333444","SubjectField":"Offer","BodyHtml":"<h1>Hello</h1>"}\' | gatepost render-fax --header "Example Ltd." > fax.pdf',
      ),
    )
    .action((options: RenderFaxOptions) =>
      run(context, async () => {
        const [{ renderFaxCommand: render }, { createLog }] = await Promise.all([
          import('../commands/render-fax.js'),
          import('../kit/create-log.js'),
        ]);
        const log = createLog({ level: 'error', redactor: context.redactor, pretty: true });
        return render(options, { clock, log }, write, stopSignal());
      }),
    );
}
