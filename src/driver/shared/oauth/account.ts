import { createHash } from 'node:crypto';
import type { GatewayContext } from '../../contract.js';
import { httpClient } from '../http-client.js';
import { requestGrant } from './grants.js';
import { type Purpose, scopeOf, tokenUrlOf } from './provider.js';
import type { OAuthSettings } from './settings.js';
import { type TokenSource, tokenSource } from './token-source.js';

type AccountContext = Pick<GatewayContext<unknown>, 'accounts' | 'secretStore' | 'clock' | 'log' | 'network'>;

/**
 * The tokens of an account, the same source for every gateway of the service that signs in with it. `user` is the mailbox that
 * a service account acts for.
 */
export function accountTokens(
  { accounts, secretStore, clock, log, network }: AccountContext,
  settings: OAuthSettings,
  purpose: Purpose,
  user: string,
): TokenSource {
  const key = accountKey(settings, purpose, user);
  return accounts(key, () => {
    // Every request to a token endpoint has a connection of its own, so this client holds nothing that must be closed.
    const http = httpClient({ network });
    return tokenSource({
      clock,
      log,
      request: (refreshToken, signal) =>
        requestGrant({ settings, purpose, user, refreshToken }, { http, clock, signal }),
      store: { get: () => secretStore.get(key), put: (refreshToken) => secretStore.put(key, refreshToken) },
    });
  });
}

/**
 * Everything that a token depends on. A new consent has a new refresh token and so a new key: what was stored for the old
 * one is not used again.
 */
function accountKey(settings: OAuthSettings, purpose: Purpose, user: string): string {
  const { Provider, Flow, ClientId, ClientSecret, Certificate, ServiceAccountKey, RefreshToken } = settings;
  const parts = [Provider, Flow, ClientId, ClientSecret, Certificate, ServiceAccountKey, RefreshToken];
  const actsFor = Flow === 'ServiceAccount' ? user : '';
  const text = JSON.stringify([...parts, tokenUrlOf(settings), scopeOf(settings, purpose), actsFor]);
  return `oauth:${createHash('sha256').update(text).digest('base64url')}`;
}
