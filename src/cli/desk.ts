import type { Desk } from '../embedded-server/desk.js';
import {
  type CliContext,
  type CommonOptions,
  configOf,
  configOption,
  examples,
  run,
  stopSignal,
  wholeNumber,
} from './context.js';

interface WritingOptions extends CommonOptions {
  text: string;
  html?: string;
  wait: boolean;
}

/** Plays the agent of the embedded server. */
export function deskCommands(context: CliContext): void {
  const desk = context.program
    .command('desk')
    .description('play the agent of the embedded server: read messages, answer them, send new ones')
    .addHelpText(
      'after',
      examples(
        'gatepost desk inbox',
        'gatepost desk read 3f2a',
        'gatepost desk reply 3f2a --text "Thank you, we are on it."',
        'gatepost desk send --gateway "Pickup folder" --to ann@example.com --subject Hello --text "Good morning"',
      ),
    );
  desk
    .command('inbox')
    .description('print the received messages, newest first')
    .addOption(configOption())
    .option('--limit <number>', 'print at most this many', wholeNumber, 30)
    .addHelpText('after', examples('gatepost desk inbox --limit 5'))
    .action((options: CommonOptions & { limit: number }) =>
      atDesk(context, options, (at, { deskInbox }) => deskInbox(at, options)),
    );
  desk
    .command('outbox')
    .description('print the send requests and their results, newest first')
    .addOption(configOption())
    .option('--limit <number>', 'print at most this many', wholeNumber, 30)
    .addHelpText('after', examples('gatepost desk outbox'))
    .action((options: CommonOptions & { limit: number }) =>
      atDesk(context, options, (at, { deskOutbox }) => deskOutbox(at, options)),
    );
  desk
    .command('read')
    .description('print one message and what happened to it')
    .argument('<id>', 'id or its beginning')
    .addOption(configOption())
    .addHelpText('after', examples('gatepost desk read 3f2a'))
    .action((id: string, options: CommonOptions) => atDesk(context, options, (at, { deskRead }) => deskRead(at, id)));
  writingCommands(context, desk);
}

function writingCommands(context: CliContext, desk: CliContext['program']): void {
  desk
    .command('reply')
    .description('answer a received message and print the result')
    .argument('<id>', 'id or its beginning')
    .requiredOption('--text <text>', 'the answer')
    .option('--html <html>', 'the answer as HTML')
    .option('--gateway <gateway>', 'outbound gateway, when several fit')
    .option('--no-wait', 'return as soon as the send request is queued')
    .addOption(configOption())
    .addHelpText('after', examples('gatepost desk reply 3f2a --text "Thank you, we are on it."'))
    .action((id: string, options: WritingOptions & { gateway?: string }) =>
      atDesk(context, options, (at, { deskReply }) => deskReply(at, id, { ...options, noWait: !options.wait })),
    );
  desk
    .command('send')
    .description('send a message and print the result')
    .requiredOption('--gateway <gateway>', 'outbound gateway: id, its beginning, or name')
    .requiredOption('--to <address>', 'recipient')
    .option('--subject <subject>', 'subject; an e-mail needs one')
    .requiredOption('--text <text>', 'the message')
    .option('--html <html>', 'the message as HTML')
    .option('--no-wait', 'return as soon as the send request is queued')
    .addOption(configOption())
    .addHelpText(
      'after',
      examples(
        'gatepost desk send --gateway "Pickup folder" --to ann@example.com --subject Hello --text "Good morning"',
      ),
    )
    .action((options: WritingOptions & { gateway: string; to: string; subject?: string }) =>
      atDesk(context, options, (at, { deskSend }) => deskSend(at, { ...options, noWait: !options.wait })),
    );
}

type DeskWork = (desk: Desk, commands: typeof import('../embedded-server/desk.js')) => Promise<number>;

function atDesk(context: CliContext, options: CommonOptions, work: DeskWork): Promise<void> {
  const { clock, output } = context;
  return run(context, async () => {
    const config = await configOf(context, options);
    const commands = await import('../embedded-server/desk.js');
    const columns = process.stdout.isTTY ? process.stdout.columns : undefined;
    const out = (text: string) => output.out(`${text}\n`);
    return work({ storePath: config.frontdesk.store, clock, out, signal: stopSignal(), columns }, commands);
  });
}
