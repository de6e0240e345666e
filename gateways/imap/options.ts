// How the library is set up for a gateway: TLS, bounds, and everything it would do by itself switched off.
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import type { ImapFlowOptions, Logger } from 'imapflow';
import type { GatewayContext, Log } from '../../src/driver/contract.js';
import type { Credentials } from '../../src/driver/shared/oauth/sign-in.js';
import { readCa } from '../../src/driver/shared/tls.js';
import { serverAnswer } from './library-errors.js';
import { type Answer, answerOf } from './refusals.js';
import { portOf, type Settings } from './settings.js';

/** TCP, TLS, greeting and login together, ms. */
export const CONNECT_MS = 30_000;
/** The library's own watch over the socket; longer than any wait of ours, which are the ones that count. */
const SOCKET_MS = 30 * 60_000;
/** Answers without a mail in them: a search over a million mails fits. */
const LONGEST_LINE = 8 * 1024 * 1024;
/** Numbers of a search are not counted; the longest other answers have some hundred. */
const MOST_TOKENS = 100_000;
/** Servers are known to understate sizes, so twice the limit is still read. */
export const literalLimit = (settings: Settings) => 2 * settings.MaxMessageBytes + 1024 * 1024;

/** What is only to be learned from the library's log and callbacks. */
export interface ImapLog {
  /** The server's last NO or BAD, or another failure: some commands of the library only return false. */
  answer: Answer | undefined;
  certificate: PeerCertificate | undefined;
}

export async function optionsOf(
  context: GatewayContext<Settings>,
  credentials: Credentials,
  imapLog: ImapLog,
): Promise<ImapFlowOptions> {
  const { settings } = context;
  const ca = await readCa(settings.CaFile, context.dataDir);
  return {
    // The library resolves names by itself, so it gets the address that was judged.
    host: await context.network.addressOf(settings.Host),
    port: portOf(settings),
    secure: settings.Security === 'Tls',
    doSTARTTLS: settings.Security === 'Tls' ? undefined : settings.Security === 'StartTls',
    servername: settings.TlsName ?? (isIP(settings.Host) === 0 ? settings.Host : undefined),
    auth: 'accessToken' in credentials ? { user: credentials.user, accessToken: credentials.accessToken } : credentials,
    tls: {
      minVersion: 'TLSv1.2',
      rejectUnauthorized: !settings.AllowUntrustedCertificate,
      checkServerIdentity(name, certificate) {
        imapLog.certificate = certificate;
        return checkServerIdentity(settings.TlsName ?? name, certificate);
      },
      ...(ca && { ca }),
    },
    clientInfo: { name: 'Gatepost', version: false, vendor: false, 'support-url': false },
    logger: libraryLog(context.log, imapLog),
    // idle.ts does it: the library would wait 15 s after every command before it enters IDLE again.
    disableAutoIdle: true,
    // Neither is worth its processor time here: compression of mail, and MODSEQ in every answer.
    disableCompression: true,
    disableAutoEnable: true,
    socketTimeout: SOCKET_MS,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    maxLineLength: LONGEST_LINE,
    maxResponseTokens: MOST_TOKENS,
    maxLiteralSize: literalLimit(settings),
    maxResponseSize: literalLimit(settings) + LONGEST_LINE,
  };
}

/** All of the library's log at trace: this driver logs what matters. The library hides the password itself. */
function libraryLog(log: Log, imapLog: ImapLog): Logger {
  const pass = (entry: unknown) => {
    const message = typeof entry === 'object' && entry !== null && 'msg' in entry ? entry.msg : '';
    log.trace({ detail: String(message) }, 'imap library');
  };
  const rejection = (entry: unknown) => {
    if (typeof entry === 'object' && entry !== null && 'err' in entry)
      imapLog.answer = answerOf(entry.err) ?? { status: 'NO', code: '', words: serverAnswer(entry.err) };
    pass(entry);
  };
  return { trace: () => {}, debug: pass, info: pass, warn: rejection, error: rejection };
}
