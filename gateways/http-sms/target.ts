// Owns reaching the gateway without sending anything: TCP, and TLS with its certificate verified.
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { GatepostError, messageOf } from '../../src/driver/contract.js';
import { wordsOf } from './exchange.js';
import type { HttpSmsSettings } from './settings.js';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly ca: string | undefined;
}

/** Throws a GatepostError when CaFile cannot be read. */
export async function targetOf({ SendUrl, CaFile }: HttpSmsSettings, dataDir: string): Promise<Target> {
  // What stands in braces is after the host name, and no matter here.
  const url = new URL((SendUrl ?? '').replace(/[{}]/g, ''));
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { host, port: Number(url.port) || (secure ? 443 : 80), secure, ca: await caOf(CaFile, dataDir) };
}

async function caOf(file: string | undefined, dataDir: string): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(resolve(dataDir, file), 'utf8');
  } catch (error) {
    throw new GatepostError('http-sms/ca-file', `CaFile cannot be read: ${messageOf(error)}`, {
      advice: 'name an existing PEM file that the user running gatepost may read',
      cause: error,
    });
  }
}

/** Resolves with the evidence. Throws with one clear sentence. */
export function reachTcp({ host, port }: Target, signal: AbortSignal): Promise<string> {
  return settled(
    connect({ host, port }),
    'connect',
    `${host}:${port}`,
    signal,
    (socket) => `connected to ${socket.remoteAddress}`,
  );
}

export function reachTls({ host, port, ca }: Target, signal: AbortSignal): Promise<string> {
  const socket = tlsConnect({ host, port, servername: /[a-z]/i.test(host) ? host : '', ...(ca ? { ca } : {}) });
  return settled(
    socket,
    'secureConnect',
    `${host}:${port}`,
    signal,
    () => `${socket.getProtocol()}, certificate verified`,
  );
}

function settled(
  socket: Socket,
  event: string,
  host: string,
  signal: AbortSignal,
  evidence: (socket: Socket) => string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      end();
      reject(new Error(wordsOf(error, host), { cause: error }));
    };
    const onAbort = () => fail(signal.reason);
    const end = () => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    };
    socket.once('error', fail);
    socket.once(event, () => {
      const found = evidence(socket);
      end();
      resolve(found);
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
