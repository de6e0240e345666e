// The parser of smtp-server with its decoder of DATA replaced: that one makes a buffer, a turn of the event loop and a write
// for every dot-stuffed line, so that 29 MB of ".." lines take 1 GB and minutes. This one makes one write per piece of input.
import type { SMTPServerDataStream } from 'smtp-server';
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { undotter } from './undot.js';

export class DataParser extends SMTPStream {
  #undot = undotter();

  override startDataMode(maxBytes?: number | string | null) {
    this.#undot = undotter();
    return super.startDataMode(maxBytes);
  }

  override _feedDataStream(input: Buffer, done: (error?: Error | null) => void): void {
    const { output, end } = this.#undot.push(input);
    this._countDataBytes(output.length);
    const stream = this._dataStream;
    if (end !== undefined) this._endDataMode(output, input.subarray(end), done);
    // Back-pressure: the socket is read again when the reader of the mail has taken this piece, or has gone.
    else if (!stream?.writable || output.length === 0 || stream.write(output) || stream.destroyed) done();
    else afterDrain(stream, done);
  }
}

function afterDrain(stream: SMTPServerDataStream, done: () => void): void {
  const proceed = () => {
    stream.off('drain', proceed).off('close', proceed);
    done();
  };
  stream.once('drain', proceed).once('close', proceed);
}
