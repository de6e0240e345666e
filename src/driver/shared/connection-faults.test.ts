import { describe, expect, it } from 'vitest';
import { GatepostError } from '../../kit/errors.js';
import { connectionFault, describeConnectionError } from './connection-faults.js';

const failed = (code: string, message = 'failed') => Object.assign(new Error(message), { code });

describe('what a failed connection is called', () => {
  it.each([
    ['ECONNREFUSED', 'unreachable'],
    ['ENOTFOUND', 'unknown-host'],
    ['EAI_AGAIN', 'unknown-host'],
    ['ETIMEDOUT', 'timeout'],
    ['ECONNRESET', 'closed'],
    ['UND_ERR_SOCKET', 'closed'],
    ['CERT_HAS_EXPIRED', 'untrusted-certificate'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'wrong-certificate-name'],
    ['ERR_SSL_SOMETHING_NEW', 'not-tls'],
    ['EACCES', undefined],
  ])('%s is %s', (code, kind) => expect(connectionFault(failed(code))?.kind).toBe(kind));

  it('finds the cause beneath a wrapping error and in the tries of several addresses', () => {
    const inner = failed('ECONNREFUSED');
    expect(connectionFault(new Error('fetch failed', { cause: inner }))?.kind).toBe('unreachable');
    expect(connectionFault(new AggregateError([failed('EACCES'), inner]))?.kind).toBe('unreachable');
  });

  it('is one sentence with the address and the code', () => {
    expect(describeConnectionError(failed('ECONNREFUSED'), 'sms.example.com:443')).toBe(
      'sms.example.com:443 refused the connection: no program listens on this port (ECONNREFUSED)',
    );
    expect(describeConnectionError(failed('ODD', 'something\n else'), 'host')).toBe('host: something else (ODD)');
    expect(describeConnectionError(new GatepostError('deadline', 'no result within 5 ms'), 'host')).toBe(
      'host: no result within 5 ms',
    );
  });
});
