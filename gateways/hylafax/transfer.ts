import { Writable } from 'node:stream';
import type { Client, FTPResponse } from 'basic-ftp';
import { GatepostError } from '../../src/driver/contract.js';

/** The listing of LIST or NLST, `maxBytes` at most. */
export async function receiveListing(client: Client, command: string, maxBytes: number): Promise<Buffer> {
  const socket = await dataConnection(client);
  const received = boundedBuffer(client, command, maxBytes);
  socket.on('data', received.add);
  try {
    await client.ftp.handle(command, (response, task) => {
      if (response instanceof Error) return task.reject(response);
      if (isOpening(response)) return;
      // The final reply may come before the last bytes of data.
      if (socket.readableEnded) task.resolve(response);
      else socket.once('end', () => task.resolve(response));
    });
  } finally {
    client.ftp.dataSocket = undefined;
  }
  return received.all();
}

/** A file from byte `from` on, `maxBytes` at most. */
export async function receiveFile(client: Client, path: string, maxBytes: number, from: number): Promise<Buffer> {
  const received = boundedBuffer(client, path, maxBytes);
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      received.add(chunk);
      done();
    },
  });
  await client.downloadTo(sink, path, from);
  return received.all();
}

/** Uploads a document (STOT). Returns the reply that names it: the server chooses the name. */
export async function sendDocument(client: Client, document: Uint8Array): Promise<string> {
  const socket = await dataConnection(client);
  let opening = '';
  try {
    await client.ftp.handle('STOT', (response, task) => {
      if (response instanceof Error) return task.reject(response);
      if (!isOpening(response)) return task.resolve(response);
      opening = response.message;
      socket.end(document);
    });
  } finally {
    client.ftp.dataSocket = undefined;
  }
  return opening;
}

async function dataConnection(client: Client) {
  await client.prepareTransfer(client.ftp);
  const { dataSocket } = client.ftp;
  if (!dataSocket) throw new GatepostError('hylafax/protocol', 'HylaFAX opened no data connection');
  return dataSocket;
}

/** A 1xx reply (RFC 959, 4.2.2): the data connection opens, and the final reply is still to come. */
function isOpening({ code }: FTPResponse): boolean {
  return code >= 100 && code < 200;
}

function boundedBuffer(client: Client, what: string, maxBytes: number) {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    add(chunk: Buffer) {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      else
        client.ftp.closeWithError(
          new GatepostError('hylafax/too-large', `${what} of HylaFAX is larger than ${maxBytes} bytes`),
        );
    },
    all: () => Buffer.concat(chunks),
  };
}
