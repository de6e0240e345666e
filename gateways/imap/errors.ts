// What went wrong with the mail server, as one sentence and one piece of advice, whatever the library calls it.
import { codeOf, GatepostError, messageOf } from '../../src/driver/contract.js';
import { connectionFault, describeConnectionError, type FaultKind } from '../../src/driver/shared/connection-faults.js';
import { portOf, type Settings } from './settings.js';

export function address(settings: Pick<Settings, 'Host' | 'Port' | 'Security'>): string {
  return `${settings.Host}:${portOf(settings)}`;
}

const failure = (code: string, message: string, advice: string) =>
  new GatepostError(`gateway/${code}`, message, { advice });

const PORTS = 'Port 993 goes with Security Tls, port 143 with StartTls.';

/** The code of the error for each kind of failed connection. */
const CODES: Readonly<Record<FaultKind, string>> = {
  'unknown-host': 'unreachable',
  unreachable: 'unreachable',
  timeout: 'unreachable',
  closed: 'unreachable',
  'untrusted-certificate': 'tls-untrusted',
  'wrong-certificate-name': 'tls-name',
  'not-tls': 'tls',
};

type Failure = (settings: Settings, answer: string) => GatepostError;

const closed: Failure = (settings, answer) =>
  failure(
    'unreachable',
    `${address(settings)} closed the connection${answer ? `: ${answer}` : ''}`,
    'Usually the server is restarting or limits connections; Gatepost tries again.',
  );

const noAnswer: Failure = (settings) =>
  failure(
    'unreachable',
    `${address(settings)} did not answer in time`,
    'Check Host, Port and the firewalls in between.',
  );

/** Failures that only the IMAP library reports. */
const LIBRARY: Readonly<Record<string, Failure>> = {
  NoConnection: closed,
  EConnectionClosed: closed,
  ClosedAfterConnectText: closed,
  ClosedAfterConnectTLS: closed,
  CONNECT_TIMEOUT: noAnswer,
  GREETING_TIMEOUT: (settings) =>
    failure(
      'unreachable',
      `${address(settings)} accepts connections but sends no greeting`,
      `Check Port and Security. ${PORTS}`,
    ),
  UPGRADE_TIMEOUT: (settings) =>
    failure(
      'unreachable',
      `${address(settings)} does not finish the TLS handshake`,
      'Check Security and the firewalls in between.',
    ),
  MissingServerExtension: (settings) =>
    failure(
      'tls',
      `${address(settings)} does not offer STARTTLS`,
      'Use Security "Tls" with the TLS port (993), or "None" on a network that you trust.',
    ),
};

/** The text of the shared table, with the settings of this driver in the advice. */
function sharedFault(error: unknown, settings: Settings, answer: string): GatepostError | undefined {
  const fault = connectionFault(error);
  if (!fault) return undefined;
  const message = describeConnectionError(error, address(settings));
  if (fault.kind === 'wrong-certificate-name') {
    const wanted = settings.TlsName ?? settings.Host;
    return failure(
      'tls-name',
      `${message}, expected "${wanted}": ${answer}`,
      'Write the name of the certificate into Host or TlsName.',
    );
  }
  const advice = fault.kind === 'not-tls' ? `${fault.advice}. ${PORTS}` : fault.advice;
  return failure(CODES[fault.kind], message, advice);
}

/** One clear error for everything that the library, the socket or the TLS layer throws. */
export function imapError(error: unknown, settings: Settings): GatepostError {
  if (error instanceof GatepostError) return error;
  const code = codeOf(error);
  const answer = serverAnswer(error);
  // The library marks a connection that broke during the login as a rejected login, so the code goes first.
  const known = LIBRARY[code]?.(settings, answer) ?? sharedFault(error, settings, answer);
  if (known) return withCause(known, error);
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
