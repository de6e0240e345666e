import type { Fields, Pdu } from '../pdu/pdu.js';

/** The connection is closed. `written`: the request had been handed to the socket, so the SMSC may have processed it. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  readonly written: boolean;
  constructor(why: string, written: boolean) {
    super(why);
    this.written = written;
  }
}

export interface Connection {
  readonly isOpen: boolean;
  /** Writes a request in this turn of the event loop. Resolves with the response, whatever its status. Rejects with
   *  ConnectionLost when no usable response will come. Throws EncodingFault when the request cannot be encoded. */
  request(command: string, fields?: Fields): Promise<Pdu>;
  /** Responds to a request of the SMSC. Returns the number of this response, or undefined after the end of the connection. */
  respond(pdu: Pdu, status: number): number | undefined;
  /** The SMSC has read our responses up to this number: it answered a request that we wrote after them. */
  readonly responsesRead: number;
  /** Resolves with the reason when the connection is closed. */
  readonly closed: Promise<string>;
  /** Starts to send enquire_link every so many seconds. A connection without a response is destroyed. */
  startEnquiring(seconds: number): void;
  /** Sends unbind and closes. Resolves when the socket is closed. */
  unbind(): Promise<void>;
  destroy(why: string): void;
}

export interface ConnectionEvents {
  /** A request of the SMSC. */
  onRequest(pdu: Pdu, connection: Connection): void;
  /** Bytes that are no PDU, or a response that does not fit its request. */
  onMalformed(what: string): void;
}
