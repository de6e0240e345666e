// Whether a push is genuine. All comparisons are constant-time.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { RawRequest } from '../../src/driver/contract.js';
import { isSignedAddress } from '../../src/driver/shared/signed-address.js';
import type { Authenticate } from './schemas.js';
import type { HttpSmsSettings } from './settings.js';

export function isGenuine(request: RawRequest, settings: HttpSmsSettings): boolean {
  const { Authenticate, Secret } = settings;
  if (!Authenticate || !Secret) return false;
  switch (Authenticate.Kind) {
    case 'Secret':
      return sharedSecret(request, Authenticate).some((given) => same(given, Secret));
    case 'Basic':
      // The name of the scheme may be written in any capitals (RFC 9110 11.1).
      return same(
        (request.headers.authorization ?? '').replace(/^basic +/i, 'Basic '),
        basic(Authenticate.User, Secret),
      );
    case 'Hmac': {
      const given = request.headers[Authenticate.Header.toLowerCase()] ?? '';
      const verify = (address: string) =>
        isSignature(given, signature(request, address, Authenticate, Secret), Authenticate);
      return Authenticate.Over === 'UrlAndBody' ? isSignedAddress(request.url, verify) : verify('');
    }
  }
}

function sharedSecret(request: RawRequest, { Header, Query }: Extract<Authenticate, { Kind: 'Secret' }>): string[] {
  if (Query) return queryOf(request).getAll(Query);
  const value = Header ? request.headers[Header.toLowerCase()] : undefined;
  return value === undefined ? [] : [value];
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

type Hmac = Extract<Authenticate, { Kind: 'Hmac' }>;

function signature({ body }: RawRequest, address: string, how: Hmac, key: string): string {
  return how.Prefix + createHmac(how.Algorithm, key).update(address).update(body).digest(how.Encoding);
}

/** Some gateways write hexadecimal digits in capitals. */
function isSignature(given: string, right: string, { Encoding }: Hmac): boolean {
  return Encoding === 'hex' ? same(given.toLowerCase(), right.toLowerCase()) : same(given, right);
}

/** Constant-time comparison; of digests, because it needs values of one length. */
function same(given: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(right));
}

export function queryOf({ path }: RawRequest): URLSearchParams {
  const at = path.indexOf('?');
  return new URLSearchParams(at < 0 ? '' : path.slice(at + 1));
}
