// "Test connection" of SmtpListener: whether the certificate files are usable, and whether the port is free or in use by this
// gateway.
import { connect, createServer } from 'node:net';
import { createSecureContext } from 'node:tls';
import { type CheckStep, codeOf, type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { readCertificate, readKey } from './server.js';
import type { SmtpListenerSettings } from './settings.js';

/** Ms within which the program on the port must send its greeting; a gateway sends it after 0.1 s. */
const GREETING_MS = 3_000;

export async function* checkSteps(
  context: GatewayContext<SmtpListenerSettings>,
  signal: AbortSignal,
): AsyncGenerator<CheckStep> {
  const { settings, dataDir } = context;
  const { Host, Port, Security, CertFile, KeyFile } = settings;
  if (Security !== 'None' && CertFile && KeyFile) {
    const step = await certificate(dataDir, CertFile, KeyFile);
    yield step;
    if (!step.ok) return;
  }
  const name = `Listening on ${Host}:${Port}`;
  const error = await tryToBind(Host, Port);
  if (error === undefined) yield { name, ok: true, detail: 'the port is free' };
  else if (codeOf(error) !== 'EADDRINUSE')
    yield { name, ok: false, detail: `${messageOf(error)}; check Host and Port` };
  else yield { name, ...(await whoListens(context, signal)) };
}

async function certificate(dataDir: string, certFile: string, keyFile: string): Promise<CheckStep> {
  const name = 'Certificate and key';
  try {
    const cert = await readCertificate(dataDir, certFile);
    const key = await readKey(dataDir, keyFile);
    createSecureContext({ cert, key });
    return { name, ok: true, detail: 'readable, and they belong together' };
  } catch (error) {
    return { name, ok: false, detail: messageOf(error) };
  }
}

function tryToBind(host: string, port: number): Promise<unknown> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

/** The port is in use: fine when this gateway itself listens there. */
function whoListens(
  { settings, clock }: GatewayContext<SmtpListenerSettings>,
  signal: AbortSignal,
): Promise<{ ok: boolean; detail: string }> {
  const { Host, Port, Name, Security } = settings;
  const others = { ok: false, detail: 'another program uses the port; choose another Port' };
  return new Promise((resolve) => {
    const any = Host === '0.0.0.0' || Host === '::';
    const socket = connect({ host: any ? 'localhost' : Host, port: Port, signal });
    const end = (result: { ok: boolean; detail: string }) => {
      disarm();
      socket.destroy();
      resolve(result);
    };
    const disarm = clock.schedule(GREETING_MS, () => end(others));
    socket.once('error', () => end(others));
    socket.once('close', () => end(others));
    // With TLS from the first byte there is no greeting to read.
    if (Security === 'Tls')
      socket.once('connect', () => end({ ok: true, detail: 'a program listens, presumably this gateway' }));
    socket.once('data', (greeting) => {
      const ours = String(greeting).startsWith(`220 ${Name} `);
      end(ours ? { ok: true, detail: `this gateway is running: ${String(greeting).trim()}` } : others);
    });
  });
}
