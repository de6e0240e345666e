import { hostname } from 'node:os';
import type { Config } from '../config.js';
import type { EmbeddedServer } from '../embedded-server/server.js';
import type { Closers } from '../kit/closers.js';
import type { ServerLink } from '../pipeline/server/link.js';
import { clientTls, embeddedAccounts, embeddedServerTls } from '../server-settings.js';
import { type Client, createClient } from '../simprot/client.js';
import { MB, type Platform, STOP } from './platform.js';

export async function startEmbedded(
  config: Config,
  password: string,
  { clock, log, env, redactor }: Platform,
  stack: Closers,
): Promise<EmbeddedServer | null> {
  if (config.server.mode !== 'embedded') return null;
  const { startEmbeddedServer } = await import('../embedded-server/server.js');
  const server = await startEmbeddedServer({
    host: config.server.host,
    port: config.server.port,
    account: config.server.account,
    password,
    peerAddresses: config.server.peerAddresses,
    accounts: embeddedAccounts(config, env, redactor),
    gatewaysFile: config.frontdesk.gateways,
    storePath: config.frontdesk.store,
    ...embeddedServerTls(config),
    clock,
    log: log.child({ part: 'embedded server' }),
  });
  stack.add('embedded server', () => server.close(), STOP.partMs);
  return server;
}

export function createServerClient(
  config: Config,
  { password, port = config.server.port }: { password: string; port: number | undefined },
  { clock, random, log }: Platform,
): Client {
  const { host, account, peerAddresses } = config.server;
  return createClient({
    host,
    port,
    tls: clientTls(config),
    account,
    password,
    peerAddresses,
    instance: `${hostname()}-${process.pid}`,
    encoding: config.wire.content,
    maxBodyBytes: config.wire.maxBodyMB * MB,
    clock,
    random,
    log,
  });
}

export function linkOf(client: Client): ServerLink {
  return {
    get up() {
      return client.state.is === 'up';
    },
    untilUp: (signal) => client.untilUp(signal),
    send: (code, content) => client.send(code, content),
    reset: (reason) => client.reset(reason),
  };
}
