// Whether a push is genuine. All comparisons are constant-time.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { RawRequest } from '../../src/driver/contract.js';
import { isSignedAddress } from '../../src/driver/shared/signed-address.js';
import { timeOf } from './push-items.js';
import { type Authenticate, coversUrl, type Hmac } from './schemas.js';
import type { HttpSmsSettings } from './settings.js';

export type Verdict = 'genuine' | 'forged' | 'stale';

export interface Authority {
  readonly settings: HttpSmsSettings;
  readonly gatewayId: string;
  /** Ms since the epoch. */
  readonly now: number;
}

export function verdictOn(request: RawRequest, { settings, gatewayId, now }: Authority): Verdict {
  const { Authenticate, Secret } = settings;
  if (!Authenticate || !Secret) return 'forged';
  if (Authenticate.Kind !== 'Hmac') return isAuthentic(request, Authenticate, Secret) ? 'genuine' : 'forged';
  const given = headerOf(request, Authenticate.Header);
  const right = (url: string) => signature(request, { url, gatewayId }, Authenticate, Secret);
  const verify = (url: string) => isSignature(given, right(url), Authenticate);
  const isRight = coversUrl(Authenticate) ? isSignedAddress(request.url, verify) : verify('');
  if (!isRight) return 'forged';
  return isFresh(request, Authenticate, now) ? 'genuine' : 'stale';
}

/**
 * Identifies a push by its signature, where that covers a time: the same one again is a repeat or a replay, never another
 * message. Null where a repeat cannot be told from a customer who writes the same twice.
 */
export function pushIdOf(request: RawRequest, { Authenticate }: HttpSmsSettings): string | null {
  if (Authenticate?.Kind !== 'Hmac' || Authenticate.Timestamp === undefined) return null;
  const signed = `${headerOf(request, Authenticate.Timestamp)} ${headerOf(request, Authenticate.Header).toLowerCase()}`;
  return createHash('sha256').update(signed).digest('hex').slice(0, 40);
}

function isAuthentic(request: RawRequest, how: Exclude<Authenticate, Hmac>, secret: string): boolean {
  if (how.Kind === 'Secret') return sharedSecret(request, how).some((given) => same(given, secret));
  // The name of the scheme may be written in any capitals (RFC 9110 11.1).
  return same((request.headers.authorization ?? '').replace(/^basic +/i, 'Basic '), basic(how.User, secret));
}

/** A signature of another day may be a replay. */
function isFresh(request: RawRequest, { Timestamp, ToleranceSeconds }: Hmac, now: number): boolean {
  if (Timestamp === undefined) return true;
  const at = timeOf(headerOf(request, Timestamp), now);
  return at !== null && Math.abs(now - at) <= ToleranceSeconds * 1_000;
}

function headerOf({ headers }: RawRequest, name: string): string {
  return headers[name.toLowerCase()] ?? '';
}

function sharedSecret(request: RawRequest, { Header, Query }: Extract<Authenticate, { Kind: 'Secret' }>): string[] {
  if (Query) return queryOf(request).getAll(Query);
  const value = Header ? request.headers[Header.toLowerCase()] : undefined;
  return value === undefined ? [] : [value];
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

interface Signed {
  readonly url: string;
  readonly gatewayId: string;
}

function signature(request: RawRequest, { url, gatewayId }: Signed, how: Hmac, key: string): string {
  const timestamp = how.Timestamp === undefined ? '' : headerOf(request, how.Timestamp);
  const plain = `${how.Timestamp === undefined ? '' : '{timestamp}.'}${coversUrl(how) ? '{url}' : ''}{body}`;
  const values: Record<string, string | Buffer> = { timestamp, url, gateway: gatewayId, body: request.body };
  const hmac = createHmac(how.Algorithm, key);
  for (const piece of (how.Signed ?? plain).split(/(\{(?:timestamp|url|gateway|body)\})/))
    hmac.update(values[/^\{(\w+)\}$/.exec(piece)?.[1] ?? ''] ?? piece);
  return how.Prefix + hmac.digest(how.Encoding);
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
