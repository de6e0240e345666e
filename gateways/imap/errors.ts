// What went wrong with the mail server, as one sentence and one piece of advice, whatever the library calls it.
import { codeOf, GatepostError, messageOf } from '../../src/driver/contract.js';
import { portOf, type Settings } from './settings.js';

export function address(settings: Pick<Settings, 'Host' | 'Port' | 'Security'>): string {
  return `${settings.Host}:${portOf(settings)}`;
}

type Sentence = (settings: Settings, answer: string) => GatepostError;

const failure = (code: string, message: string, advice: string) =>
  new GatepostError(`gateway/${code}`, message, { advice });

const unreachable =
  (what: string, advice: string): Sentence =>
  (settings) =>
    failure('unreachable', `${address(settings)} ${what}`, advice);

const untrusted =
  (why: string): Sentence =>
  (settings) =>
    failure(
      'tls-untrusted',
      `the certificate of ${address(settings)} is not trusted: ${why}`,
      'Name the authority that signed it in CaFile, or have the server use a certificate that is generally trusted.',
    );

const unknownHost: Sentence = (settings) =>
  failure('unreachable', `there is no host named "${settings.Host}"`, 'Check Host and the DNS of this machine.');

const notTls: Sentence = (settings, answer) =>
  failure(
    'tls',
    `${address(settings)} does not speak TLS as expected (${answer})`,
    'Check Port and Security: port 993 goes with Tls, port 143 with StartTls.',
  );

const closed: Sentence = (settings, answer) =>
  failure(
    'unreachable',
    `${address(settings)} closed the connection${answer ? `: ${answer}` : ''}`,
    'Usually the server is restarting or limits connections; Gatepost tries again.',
  );

const CODES: Readonly<Record<string, Sentence>> = {
  ENOTFOUND: unknownHost,
  EAI_AGAIN: (settings) =>
    failure(
      'unreachable',
      `the name "${settings.Host}" cannot be resolved right now`,
      'Check the DNS of this machine.',
    ),
  ECONNREFUSED: unreachable('refuses connections', 'Check Host and Port, and whether the mail server runs.'),
  ECONNRESET: closed,
  EPIPE: closed,
  NoConnection: closed,
  EConnectionClosed: closed,
  ClosedAfterConnectText: closed,
  ClosedAfterConnectTLS: closed,
  ETIMEDOUT: unreachable('does not answer', 'Check Host, Port and the firewalls in between.'),
  CONNECT_TIMEOUT: unreachable('does not answer', 'Check Host, Port and the firewalls in between.'),
  EHOSTUNREACH: unreachable('cannot be reached from here', 'Check the network of this machine.'),
  ENETUNREACH: unreachable('cannot be reached from here', 'Check the network of this machine.'),
  GREETING_TIMEOUT: unreachable(
    'accepts connections but sends no greeting',
    'Check Port and Security: a TLS port with another Security stays silent.',
  ),
  UPGRADE_TIMEOUT: unreachable('does not finish the TLS handshake', 'Check Security and the firewalls in between.'),
  ERR_TLS_CERT_ALTNAME_INVALID: (settings, answer) =>
    failure(
      'tls-name',
      `the certificate of ${address(settings)} is for another name than "${settings.TlsName ?? settings.Host}" (${answer})`,
      'Write the name of the certificate into Host, or into TlsName when Host must stay as it is.',
    ),
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted('it is signed by itself'),
  SELF_SIGNED_CERT_IN_CHAIN: untrusted('it comes from an authority that this machine does not know'),
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted('it comes from an authority that this machine does not know'),
  UNABLE_TO_GET_ISSUER_CERT: untrusted('it comes from an authority that this machine does not know'),
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted('the server does not send the certificates in between'),
  CERT_HAS_EXPIRED: untrusted('it has expired'),
  CERT_NOT_YET_VALID: untrusted('it is not valid yet'),
  EPROTO: notTls,
  MissingServerExtension: (settings) =>
    failure(
      'tls',
      `${address(settings)} does not offer STARTTLS`,
      'Use Security "Tls" with the TLS port (993), or "None" on a network that you trust.',
    ),
};

/** One clear error for anything thrown by the library, the socket or the TLS layer. */
export function imapError(error: unknown, settings: Settings): GatepostError {
  if (error instanceof GatepostError) return error;
  const code = codeOf(error);
  const answer = serverAnswer(error);
  const sentence = CODES[code] ?? (code.startsWith('ERR_SSL') ? notTls : undefined);
  // The library marks a connection that broke during the login as a refused login, so the code goes first.
  if (sentence) return withCause(sentence(settings, answer), error);
  if (isRefusedLogin(error)) return withCause(refusedLogin(settings, error, answer), error);
  return new GatepostError('gateway/failed', `${address(settings)}: ${answer}`, {
    advice: 'Run "gatepost test" on this gateway for the evidence step by step.',
    cause: error,
  });
}

/** "Not now" of the server (RFC 5530): the password is not to suspect. */
const TEMPORARY = ['UNAVAILABLE', 'INUSE', 'LIMIT', 'SERVERBUG'];

function refusedLogin(settings: Settings, error: unknown, answer: string): GatepostError {
  const reason = `${address(settings)} refused the login of "${settings.User}": ${answer}`;
  if (TEMPORARY.includes(text(error, 'serverResponseCode').toUpperCase()))
    return failure('unreachable', reason, 'The server says that this is temporary; Gatepost tries again.');
  return failure(
    'login-refused',
    reason,
    'Check User and Password; many providers want an app password, and IMAP switched on for the mailbox.',
  );
}

function isRefusedLogin(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'authenticationFailed' in error &&
    error.authenticationFailed === true
  );
}

/** The server's own answer where there is one. */
export function serverAnswer(error: unknown): string {
  return oneLine(text(error, 'responseText') || text(error, 'response') || text(error, 'reason') || messageOf(error));
}

function text(error: unknown, member: string): string {
  if (typeof error !== 'object' || error === null) return '';
  const value: unknown = Reflect.get(error, member);
  return typeof value === 'string' ? value : '';
}

const MAX_ANSWER_CHARS = 300;

function oneLine(answer: string): string {
  return answer.replace(/\s+/g, ' ').trim().slice(0, MAX_ANSWER_CHARS);
}

function withCause(error: GatepostError, cause: unknown): GatepostError {
  return new GatepostError(error.code, error.message, { advice: error.advice ?? '', cause });
}
