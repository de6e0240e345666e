import { type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { codeOf, GatepostError, messageOf } from '../kit/errors.js';

export interface TlsSettings {
  /** Certificates, PEM, that are trusted in place of the system's. */
  ca?: string | undefined;
  /** Our own certificate and its key, PEM, when the server asks for one. */
  cert?: string | undefined;
  key?: string | undefined;
  /** The name the server's certificate must be for, when it is not the host's. */
  servername?: string | undefined;
  /** False accepts any certificate. */
  rejectUnauthorized?: boolean | undefined;
}

export interface Target {
  host: string;
  port: number;
  /** Absent for a connection without TLS. */
  tls?: TlsSettings | undefined;
}

/** Resolves with the connected (and, with TLS, verified) socket. Rejects with `server/unreachable`, `server/tls` or the signal's reason. */
export function connect(target: Target, signal: AbortSignal): Promise<Socket> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const socket = socketTo(target);
    const event = target.tls ? 'secureConnect' : 'connect';
    const forget = () => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError).off(event, onConnect);
    };
    const fail = (error: unknown) => {
      forget();
      // A socket that is given up may still have something to say.
      socket.on('error', () => {}).destroy();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    const onError = (error: Error) => fail(connectError(target, error));
    const onConnect = () => {
      forget();
      resolve(socket);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', onError).on(event, onConnect);
  });
}

function socketTo({ host, port, tls }: Target): Socket {
  if (!tls) return tcpConnect({ host, port });
  const { rejectUnauthorized = true, ca, cert, key, servername } = tls;
  const given = Object.fromEntries(Object.entries({ ca, cert, key, servername }).filter(([, value]) => value));
  try {
    return tlsConnect({ host, port, minVersion: 'TLSv1.2', rejectUnauthorized, ...given });
  } catch (error) {
    const sentence = `the TLS settings cannot be used: ${messageOf(error)}`;
    throw new GatepostError('server/tls', sentence, {
      advice: 'Check that server.tls ca, cert and key are PEM files, and that the key belongs to the certificate.',
      cause: error,
    });
  }
}

interface Fault {
  code: 'server/unreachable' | 'server/tls';
  /** What happened, after "cannot connect to host:port: ". */
  clause: string;
  advice: string;
}

const CHECK_ADDRESS = 'Check server.host and server.port, and that the server is running.';
const CHECK_NETWORK = 'Check the network and the firewalls between here and the server.';
const TRUST_IT = "Put the certificate of the server's own CA into server.tls.ca.";
const RENEW_IT = "Have the server's certificate renewed, or set this machine's clock right.";
const SPEAK_ALIKE = 'Check that server.port is a TLS port and that the server offers TLS 1.2 or newer.';
const OUR_CERTIFICATE = 'Set server.tls.cert and server.tls.key to a client certificate that the server accepts.';

const FAULTS = new Map<string, Fault>([
  ...network('nobody listens there', CHECK_ADDRESS, ['ECONNREFUSED']),
  ...network('the host name is not known', CHECK_ADDRESS, ['ENOTFOUND']),
  ...network('the name service does not answer', 'Check the DNS settings of this machine.', ['EAI_AGAIN']),
  ...network('there is no way to it', CHECK_NETWORK, ['EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']),
  ...tls('its certificate is signed by nobody we trust', TRUST_IT, [
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  ]),
  ...tls('its certificate has expired or is not valid yet', RENEW_IT, ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']),
  ...tls('it does not speak TLS with us there', SPEAK_ALIKE, [
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'ERR_SSL_PACKET_LENGTH_TOO_LONG',
    'ERR_SSL_UNSUPPORTED_PROTOCOL',
    'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    'EPROTO',
  ]),
  ...tls('it wants a certificate from us', OUR_CERTIFICATE, [
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
    'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
    'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
    'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE',
  ]),
]);

function network(clause: string, advice: string, codes: string[]): [string, Fault][] {
  return codes.map((code) => [code, { code: 'server/unreachable', clause, advice }]);
}

function tls(clause: string, advice: string, codes: string[]): [string, Fault][] {
  return codes.map((code) => [code, { code: 'server/tls', clause, advice }]);
}

/** The sentence for what a socket said, before or after it was connected. */
export function connectError(target: Target, error: unknown): GatepostError {
  const where = `cannot connect to the server ${target.host}:${target.port}`;
  const code = systemCode(error);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return wrongName(where, target, error);
  const fault = FAULTS.get(code) ?? (target.tls && code === 'ECONNRESET' ? FAULTS.get('EPROTO') : undefined);
  if (!fault) return new GatepostError('server/unreachable', `${where}: ${messageOf(error)}`, { cause: error });
  const { clause, advice } = fault;
  return new GatepostError(fault.code, `${where}: ${clause} (${code})`, { advice, cause: error });
}

/** Whether connectError has a better sentence for it than the bare fault of the connection. */
export function isTlsFault(error: unknown): boolean {
  return FAULTS.get(codeOf(error))?.code === 'server/tls';
}

/** A host with several addresses fails with one error per address; the first one stands for all. */
function systemCode(error: unknown): string {
  return codeOf(error) || (error instanceof AggregateError ? codeOf(error.errors[0]) : '');
}

function wrongName(where: string, { host, tls }: Target, error: unknown): GatepostError {
  const wanted = tls?.servername || host;
  const names = error instanceof Error && 'cert' in error ? namesOf(error.cert) : '';
  return new GatepostError('server/tls', `${where}: its certificate is not for "${wanted}"${names}`, {
    advice: 'Write server.host as it stands in the certificate, or give that name as server.tls.servername.',
    cause: error,
  });
}

function namesOf(cert: unknown): string {
  if (typeof cert !== 'object' || cert === null || !('subjectaltname' in cert)) return '';
  return ` but for ${String(cert.subjectaltname).slice(0, 200)}`;
}
