// Reaching the gateway without sending anything: TCP, and TLS with its certificate verified.
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { GatewayContext, Network } from '../../src/driver/contract.js';
import { hostOf } from '../../src/driver/shared/address-guard.js';
import { describeConnectionError } from '../../src/driver/shared/connection-faults.js';
import { readCa } from '../../src/driver/shared/tls.js';
import type { HttpSmsSettings } from './settings.js';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly ca: string | undefined;
  readonly network: Network;
}

/** Throws a GatepostError when CaFile cannot be read. */
export async function targetOf({
  settings: { SendUrl, CaFile },
  dataDir,
  network,
}: Pick<GatewayContext<HttpSmsSettings>, 'settings' | 'dataDir' | 'network'>): Promise<Target> {
  // Placeholders come after the host name and do not matter here.
  const url = new URL((SendUrl ?? '').replace(/[{}]/g, ''));
  const secure = url.protocol === 'https:';
  return {
    host: hostOf(url),
    port: Number(url.port) || (secure ? 443 : 80),
    secure,
    ca: await readCa(CaFile, dataDir),
    network,
  };
}

/** Resolves with the evidence. Throws with one clear sentence. */
export function reachTcp({ host, port, network }: Target, signal: AbortSignal): Promise<string> {
  const socket = connect({ ...network.to(host), port });
  return evidence(socket, 'connect', `${host}:${port}`, signal, () => `connected to ${socket.remoteAddress}`);
}

export function reachTls({ host, port, ca, network }: Target, signal: AbortSignal): Promise<string> {
  const socket = tlsConnect({
    ...network.to(host),
    port,
    servername: /[a-z]/i.test(host) ? host : '',
    ...(ca ? { ca } : {}),
  });
  const found = () => `${socket.getProtocol()}, certificate verified`;
  return evidence(socket, 'secureConnect', `${host}:${port}`, signal, found);
}

function evidence(
  socket: Socket,
  event: string,
  address: string,
  signal: AbortSignal,
  found: () => string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const end = () => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    };
    const fail = (error: unknown) => {
      end();
      reject(new Error(describeConnectionError(error, address), { cause: error }));
    };
    const onAbort = () => fail(signal.reason);
    socket.once('error', fail);
    socket.once(event, () => {
      const text = found();
      end();
      resolve(text);
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
