// Owns "test connection" of SmtpListener: are the certificate files good, can the port be had (or is it ours already).
import { connect, createServer } from 'node:net';
import { createSecureContext } from 'node:tls';
import { type CheckStep, codeOf, type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { readPem } from './server.js';
import type { SmtpListenerSettings } from './settings.js';

/** Ms that whoever has the port may take for a greeting; ours comes after a tenth of a second. */
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
  const trouble = await tryToBind(Host, Port);
  if (trouble === undefined) yield { name, ok: true, detail: 'the port is free' };
  else if (codeOf(trouble) !== 'EADDRINUSE')
    yield { name, ok: false, detail: `${messageOf(trouble)}; check Host and Port` };
  else yield { name, ...(await whoListens(context, signal)) };
}

async function certificate(dataDir: string, certFile: string, keyFile: string): Promise<CheckStep> {
  const name = 'Certificate and key';
  try {
    const cert = await readPem(dataDir, 'CertFile', certFile);
    const key = await readPem(dataDir, 'KeyFile', keyFile);
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

/** The port is taken: fine when it is this gateway itself that greets there. */
function whoListens(
  { settings, clock }: GatewayContext<SmtpListenerSettings>,
  signal: AbortSignal,
): Promise<{ ok: boolean; detail: string }> {
  const { Host, Port, Name, Security } = settings;
  const others = { ok: false, detail: 'the port is taken by another program; choose another Port' };
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
    // With TLS from the first byte there is no greeting to read: the port answers, more cannot be told from here.
    if (Security === 'Tls')
      socket.once('connect', () => end({ ok: true, detail: 'something listens already, presumably this gateway' }));
    socket.once('data', (greeting) => {
      const ours = String(greeting).startsWith(`220 ${Name} `);
      end(ours ? { ok: true, detail: `this gateway is running: ${String(greeting).trim()}` } : others);
    });
  });
}
