// Owns how the library is set up for a gateway: TLS, bounds, and everything it would do by itself switched off.
import { readFile } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { ImapFlowOptions, Logger } from 'imapflow';
import { GatepostError, type GatewayContext, type Log, messageOf } from '../../src/driver/contract.js';
import { wordsOf } from './explain.js';
import { portOf, type Settings } from './settings.js';

/** TCP, TLS, greeting and login together, ms. */
export const CONNECT_MS = 30_000;
/** The library's own watch over the socket; longer than any wait of ours, which are the ones that count. */
const SOCKET_MS = 30 * 60_000;
/** Answers without a mail in them: a search over a million mails fits. */
const LONGEST_LINE = 64 * 1024 * 1024;
/** Servers are known to understate sizes; twice the limit is where patience ends. */
const literalLimit = (settings: Settings) => 2 * settings.MaxMessageBytes + 1024 * 1024;

/** What the library tells on the side. */
export interface Ears {
  /** The server's words at its last refusal: some commands only answer false. */
  words: string;
  certificate: PeerCertificate | undefined;
}

export async function optionsOf(context: GatewayContext<Settings>, ears: Ears): Promise<ImapFlowOptions> {
  const { settings } = context;
  return {
    host: settings.Host,
    port: portOf(settings),
    secure: settings.Security === 'Tls',
    doSTARTTLS: settings.Security === 'Tls' ? undefined : settings.Security === 'StartTls',
    servername: settings.TlsName,
    auth: { user: settings.User, pass: settings.Password },
    tls: {
      minVersion: 'TLSv1.2',
      rejectUnauthorized: !settings.AllowUntrustedCertificate,
      checkServerIdentity(name, certificate) {
        ears.certificate = certificate;
        return checkServerIdentity(settings.TlsName ?? name, certificate);
      },
      ...(settings.CaFile ? { ca: await readAuthority(settings.CaFile, context.dataDir) } : {}),
    },
    clientInfo: { name: 'Gatepost', version: false, vendor: false, 'support-url': false },
    logger: ear(context.log, ears),
    // IDLE is ours: the library would wait 15 s after every command before it listens again.
    disableAutoIdle: true,
    // Neither is worth its processor time here: compression of mail, and MODSEQ in every answer.
    disableCompression: true,
    disableAutoEnable: true,
    socketTimeout: SOCKET_MS,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    maxLineLength: LONGEST_LINE,
    maxLiteralSize: literalLimit(settings),
    maxResponseSize: literalLimit(settings) + LONGEST_LINE,
  };
}

async function readAuthority(file: string, dataDir: string): Promise<Buffer> {
  const path = resolvePath(dataDir, file);
  try {
    return await readFile(path);
  } catch (error) {
    throw new GatepostError('gateway/settings', `CaFile "${path}" cannot be read: ${messageOf(error)}`, {
      advice: 'Put the PEM file there, or correct CaFile.',
    });
  }
}

/** The library's log, all of it at trace: what matters is said by us. It hides the password itself. */
function ear(log: Log, ears: Ears): Logger {
  const pass = (entry: unknown) => {
    const message = typeof entry === 'object' && entry !== null && 'msg' in entry ? entry.msg : '';
    log.trace({}, `imap: ${String(message)}`);
  };
  const hear = (entry: unknown) => {
    if (typeof entry === 'object' && entry !== null && 'err' in entry) ears.words = wordsOf(entry.err);
    pass(entry);
  };
  return { trace: () => {}, debug: pass, info: pass, warn: hear, error: hear };
}
