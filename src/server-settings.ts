import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Config } from './config.js';
import { GatepostError, messageOf } from './kit/errors.js';
import type { Redactor } from './kit/redact.js';
import { isLoopbackHost } from './pipeline/gateways/policy/hosts.js';
import { secretsFrom } from './pipeline/gateways/secrets.js';
import type { TlsSettings } from './simprot/connect.js';
import { type ChannelTable, DEFAULT_CHANNEL_TABLE } from './simprot/messages.js';

/** The password of the server account; with the embedded server both ends are in this process, and a random one will do. */
export function serverPassword({ server }: Config): string {
  if (server.password) return server.password;
  if (server.mode === 'embedded') return randomBytes(24).toString('base64url');
  throw new GatepostError('config/invalid', 'server.password is missing: the account needs one to log in with', {
    advice: 'set GATEPOST_SERVER_PASSWORD, or server.password in the configuration',
  });
}

/** What the client needs for TLS; undefined for a connection without. */
export function clientTls(config: Config): TlsSettings | undefined {
  return config.server.tls ? tlsFiles(config) : undefined;
}

/** What the embedded server needs for TLS: a certificate of its own. */
export function embeddedServerTls(config: Config): { tls?: { cert: string; key: string } } {
  if (!config.server.tls) return {};
  const { cert, key } = tlsFiles(config);
  if (cert && key) return { tls: { cert, key } };
  throw new GatepostError('config/invalid', 'server.tls is on, but the embedded server has no certificate', {
    advice: 'name its PEM files in server.tlsCert and server.tlsKey, or leave server.tls out',
  });
}

/** The accounts of further connectors, their passwords resolved and known to the redactor. */
export function embeddedAccounts(
  { frontdesk, secretsDir }: Config,
  env: Readonly<Record<string, string | undefined>>,
  redactor: Redactor,
): { name: string; password: string; peerAddresses: readonly string[] }[] {
  const secrets = secretsFrom({ env, folder: secretsDir });
  return Object.entries(frontdesk.accounts).map(([name, { password, peerAddresses }]) => {
    const resolved = secrets.resolve(password);
    redactor.add(resolved);
    return { name, password: resolved, peerAddresses };
  });
}

function tlsFiles({ server }: Config) {
  return {
    ca: pem(server.tlsCa, 'server.tlsCa'),
    cert: pem(server.tlsCert, 'server.tlsCert'),
    key: pem(server.tlsKey, 'server.tlsKey'),
    servername: server.tlsName || undefined,
    rejectUnauthorized: server.tlsVerify,
  };
}

function pem(path: string, setting: string): string | undefined {
  if (path === '') return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new GatepostError('config/invalid', `${setting}: cannot read ${path}: ${messageOf(error)}`, {
      advice: 'name an existing PEM file that the user running gatepost may read',
      cause: error,
    });
  }
}

/** What travels unprotected between Gatepost and the server; null when nothing does. */
export function plaintextWarning({ server }: Config): string | null {
  if (isLoopbackHost(server.host)) return null;
  const where = `the connection to the server at ${server.host}:${server.port}`;
  if (!server.tls)
    return `${where} is not encrypted: everybody on the way reads the login and all messages; set server.tls to true`;
  if (!server.tlsVerify && server.mode === 'remote')
    return `${where} accepts any certificate: everybody on the way can pose as the server; set server.tlsVerify to true`;
  return null;
}

/** Which number of the wire means which channel. */
export function channelsOf({ wire }: Config): ChannelTable {
  const own = Object.entries(wire.channels);
  if (own.length === 0) return DEFAULT_CHANNEL_TABLE;
  return Object.fromEntries(own.map(([number, channel]) => [Number(number), channel]));
}
