// One text for each cause of a failed connection, by the code of the system, TLS or HTTP library. The caller puts the address
// in front.
import { codeOf, GatepostError, messageOf } from '../../kit/errors.js';

export type FaultKind =
  | 'unknown-host'
  | 'unreachable'
  | 'timeout'
  | 'closed'
  | 'untrusted-certificate'
  | 'wrong-certificate-name'
  | 'not-tls';

export interface ConnectionFault {
  readonly kind: FaultKind;
  /** What failed, to be put after the address: `refused the connection`. */
  readonly text: string;
  /** What the administrator can do about it. */
  readonly advice: string;
}

const NETWORK = 'check the host, the port and the firewalls in between';
const DNS = 'check the host name and the DNS server of this machine';
const TRUST =
  'name the authority that signed the certificate in CaFile, or install a certificate that is publicly trusted';

const fault = (kind: FaultKind, text: string, advice: string): ConnectionFault => ({ kind, text, advice });
const untrusted = (why: string) =>
  fault('untrusted-certificate', `has a certificate that is not trusted: ${why}`, TRUST);

const NO_ROUTE = fault('unreachable', 'cannot be reached: there is no network route to the host', NETWORK);
const TIMEOUT = fault('timeout', 'did not answer in time', NETWORK);
const CLOSED = fault('closed', 'closed the connection', 'the next attempt follows without further action');
const UNKNOWN_AUTHORITY = untrusted('the authority that signed it is unknown to this machine');
const NOT_TLS = fault('not-tls', 'does not speak TLS on this port', 'check the port and the kind of encryption');

const FAULTS: Readonly<Record<string, ConnectionFault>> = {
  ENOTFOUND: fault('unknown-host', 'cannot be reached: the host name does not exist', DNS),
  EAI_AGAIN: fault('unknown-host', 'cannot be reached: the DNS server does not answer', DNS),
  ECONNREFUSED: fault('unreachable', 'refused the connection: no program listens on this port', NETWORK),
  EHOSTUNREACH: NO_ROUTE,
  ENETUNREACH: NO_ROUTE,
  EHOSTDOWN: NO_ROUTE,
  ENETDOWN: NO_ROUTE,
  EADDRNOTAVAIL: NO_ROUTE,
  ETIMEDOUT: TIMEOUT,
  UND_ERR_CONNECT_TIMEOUT: TIMEOUT,
  ECONNRESET: CLOSED,
  EPIPE: CLOSED,
  UND_ERR_SOCKET: CLOSED,
  EPROTO: NOT_TLS,
  ERR_SSL_WRONG_VERSION_NUMBER: NOT_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NOT_TLS,
  ERR_TLS_CERT_ALTNAME_INVALID: fault(
    'wrong-certificate-name',
    'has a certificate for another host name',
    'use the host name that the certificate is made for',
  ),
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted('it is self-signed'),
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted('the server does not send the intermediate certificates'),
  CERT_HAS_EXPIRED: untrusted('it has expired'),
  CERT_NOT_YET_VALID: untrusted('it is not valid yet'),
};

/** Undefined for anything that is no known failure of a connection. */
export function connectionFault(error: unknown): ConnectionFault | undefined {
  return find(error)?.fault;
}

/** `sms.example.com:443 refused the connection: no program listens on this port (ECONNREFUSED)`. */
export function describeConnectionError(error: unknown, address: string): string {
  const known = find(error);
  if (known) return `${address} ${known.fault.text} (${known.code})`;
  const text = messageOf(error).replace(/\s+/g, ' ').trim();
  const code = error instanceof GatepostError ? '' : codeOf(error);
  return `${address}: ${text}${code === '' || text.includes(code) ? '' : ` (${code})`}`;
}

interface Found {
  readonly fault: ConnectionFault;
  readonly code: string;
}

/** An AggregateError holds one failure per address of the host; other errors wrap the failure as their cause. */
function find(error: unknown): Found | undefined {
  if (error instanceof AggregateError) return error.errors.map(find).find((found) => found !== undefined);
  const code = codeOf(error);
  const known = FAULTS[code] ?? (code.startsWith('ERR_SSL') ? NOT_TLS : undefined);
  if (known) return { fault: known, code };
  return error instanceof Error && error.cause !== undefined ? find(error.cause) : undefined;
}
