// The parts of npm `smpp` 0.5.1 that are used: its tables of commands, fields and error codes in the driver, its server in
// tests. The names are defined in node_modules/smpp/lib.
declare module 'smpp' {
  import type { EventEmitter } from 'node:events';
  import type { Server } from 'node:net';

  interface FieldType {
    read(buffer: Buffer, offset: number): unknown;
    write(value: unknown, buffer: Buffer, offset: number): void;
    size(value: unknown): number;
    default: string | number | Buffer;
  }

  interface CommandTable {
    id: number;
    command: string;
    params?: Record<string, { type: FieldType }>;
  }

  /** Its members are those of `fields`, beside these. */
  class PDU {
    constructor(command: string, fields?: Readonly<Record<string, unknown>>);
    [name: string]: unknown;
    command: string;
    command_id: number;
    command_status: number;
    sequence_number: number;
    toBuffer(): Buffer;
    response(fields?: Readonly<Record<string, unknown>>): PDU;
  }

  interface Session extends EventEmitter {
    socket: import('node:net').Socket;
    send(pdu: PDU, answered?: (pdu: PDU) => void): boolean;
    close(): void;
    destroy(): void;
  }

  const smpp: {
    PDU: typeof PDU;
    commands: Readonly<Record<string, CommandTable>>;
    tlvs: Readonly<Record<string, { id: number; type: FieldType }>>;
    commandsById: Readonly<Record<number, CommandTable>>;
    errors: Readonly<Record<string, number>>;
    createServer(options: object, listener: (session: Session) => void): Server;
    createServer(listener: (session: Session) => void): Server;
    connect(options: object, connected?: () => void): Session;
  };

  export type { PDU, Session };
  export default smpp;
}
