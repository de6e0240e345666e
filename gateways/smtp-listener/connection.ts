// A connection of smtp-server with two parts of our own: the paths of MAIL and RCPT, and the decoder of DATA.
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { DataParser } from './data-parser.js';
import { pathCommand } from './path-command.js';

/** Commands that do nothing, between two mails; as Postfix's smtpd_junk_command_limit. */
const MAX_IDLE_COMMANDS = 100;
const IDLE_COMMAND = /^(?:noop|rset|vrfy|help|helo|ehlo)\b/i;

export class Connection extends SMTPConnection {
  #idleCommands = 0;

  override _onCommand(command: Buffer, callback?: () => void): void {
    const line = command.toString('latin1', 0, 8);
    if (/^data\b/i.test(line)) this.#idleCommands = 0;
    if (IDLE_COMMAND.test(line)) this.#idleCommands += 1;
    if (this.#idleCommands > MAX_IDLE_COMMANDS) this.send(421, 'too many commands without a mail');
    else super._onCommand(command, callback);
  }

  /** Called by the constructor of the base and again after STARTTLS, so it uses no field of this class. */
  override _createParser(): DataParser {
    const { maxCommandLength } = this._server.options;
    const parser = new DataParser({ maxCommandLength });
    parser.oncommand = (command: Buffer, callback?: () => void) => this._onCommand(command, callback);
    parser.on('error', () => this.send(421, 'command line too long'));
    return parser;
  }

  override _parseAddressCommand(name: string, command: Buffer | string) {
    return pathCommand(name, command);
  }
}
