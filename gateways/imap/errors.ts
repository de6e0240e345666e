// What went wrong with the mail server, as one sentence and one piece of advice, whatever the library calls it.
import { codeOf, GatepostError } from '../../src/driver/contract.js';
import { connectionFault, describeConnectionError, type FaultKind } from '../../src/driver/shared/connection-faults.js';
import { mailboxOf, signInAdvice } from '../../src/driver/shared/oauth/sign-in.js';
import { serverAnswer } from './library-errors.js';
import { type Answer, answerOf, isServersTrouble, isTemporaryLogin, loginAnswer, Refused } from './refusals.js';
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

/** One clear error for everything that the library, the socket or the TLS layer throws; `what` names the command. */
export function imapError(error: unknown, settings: Settings, what = ''): GatepostError {
  if (error instanceof GatepostError) return error;
  const code = codeOf(error);
  const answer = serverAnswer(error);
  // The library marks a connection that broke during the login as a rejected login, so the code goes first.
  const known = LIBRARY[code]?.(settings, answer) ?? sharedFault(error, settings, answer);
  if (known) return withCause(known, error);
  const refused = answerOf(error);
  if (isRefusedLogin(error)) return withCause(refusedLogin(settings, refused ?? loginAnswer(error)), error);
  if (refused) return refusal(settings, what, refused, error);
  return new GatepostError('gateway/failed', `${address(settings)}: ${answer}`, {
    advice: 'Run "gatepost test" on this gateway for the evidence step by step.',
    cause: error,
  });
}

export function refusal(settings: Settings, what: string, answer: Answer, cause?: unknown): Refused {
  const words = answer.words || answer.status;
  const message = `${address(settings)}: ${what === '' ? '' : `${what}: `}${words}`;
  const advice = isServersTrouble(answer)
    ? 'This is trouble of the mail server or a limit of the account; Gatepost tries again.'
    : 'This is the answer of the mail server; check the rights of the user and the folders named in the settings.';
  return new Refused(message, advice, answer, cause);
}

function refusedLogin(settings: Settings, answer: Answer): GatepostError {
  const reason = `${address(settings)} refused the login of "${mailboxOf(settings)}": ${answer.words}`;
  if (isTemporaryLogin(answer))
    return failure('unreachable', reason, 'The server says that this is temporary; Gatepost tries again.');
  return failure('login-refused', reason, LOGIN_ADVICE[answer.code] ?? signInAdvice(settings, 'Imap'));
}

/** By response code (RFC 5530). */
const LOGIN_ADVICE: Readonly<Record<string, string>> = {
  EXPIRED: 'The password has expired: set a new one at the mail server and here.',
  PRIVACYREQUIRED: 'The server wants encryption: use Security "Tls" or "StartTls".',
  AUTHORIZATIONFAILED:
    'The password is right, but the user may not use this mailbox: ask the operator of the mail server.',
  CONTACTADMIN: 'Ask the operator of the mail server: the account is blocked or limited there.',
};

function isRefusedLogin(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'authenticationFailed' in error &&
    error.authenticationFailed === true
  );
}

function withCause(error: GatepostError, cause: unknown): GatepostError {
  return new GatepostError(error.code, error.message, { advice: error.advice ?? '', cause });
}
