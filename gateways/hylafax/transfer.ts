// Owns data connections: listings and documents, each within a bound.
import { Writable } from 'node:stream';
import type { Client, FTPResponse } from 'basic-ftp';
import { GatepostError } from '../../src/driver/contract.js';

/** What LIST or NLST gives, `most` bytes at most. */
export async function receiveListing(client: Client, command: string, most: number): Promise<Buffer> {
  const socket = await dataConnection(client);
  const held = holder(client, command, most);
  socket.on('data', held.add);
  try {
    await client.ftp.handle(command, (response, task) => {
      if (response instanceof Error) return task.reject(response);
      if (isOpening(response)) return;
      // The server may say that it is done before the last bytes are here.
      if (socket.readableEnded) task.resolve(response);
      else socket.once('end', () => task.resolve(response));
    });
  } finally {
    client.ftp.dataSocket = undefined;
  }
  return held.all();
}

/** A file from byte `from` on, `most` bytes at most. */
export async function receiveFile(client: Client, path: string, most: number, from: number): Promise<Buffer> {
  const held = holder(client, path, most);
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      held.add(chunk);
      done();
    },
  });
  await client.downloadTo(sink, path, from);
  return held.all();
}

/** Stores a document under a name that the server chooses, and gives the answer in which it says it. */
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
  if (!dataSocket) throw new GatepostError('hylafax/protocol', 'HylaFAX opened no connection for data');
  return dataSocket;
}

/** RFC 959, 4.2.2: the data connection is there or about to be; the answer proper is still to come. */
function isOpening({ code }: FTPResponse): boolean {
  return code >= 100 && code < 200;
}

function holder(client: Client, what: string, most: number) {
  const chunks: Buffer[] = [];
  let held = 0;
  return {
    add(chunk: Buffer) {
      held += chunk.length;
      if (held <= most) chunks.push(chunk);
      else client.ftp.closeWithError(new GatepostError('hylafax/too-large', `${what} of HylaFAX: over ${most} bytes`));
    },
    all: () => Buffer.concat(chunks),
  };
}
