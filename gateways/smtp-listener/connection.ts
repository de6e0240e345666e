// A connection of smtp-server with two parts of our own: the paths of MAIL and RCPT, and the decoder of DATA.
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { DataParser } from './data-parser.js';
import { pathCommand } from './path-command.js';

export class Connection extends SMTPConnection {
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
