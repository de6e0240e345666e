// A person's consent, which ends in a refresh token. Two ways: a code that is typed in on any device (RFC 8628), or a browser on
// this machine whose redirect comes back to a port of the loopback (RFC 8252 7.3, with PKCE).
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as oidc from 'openid-client';
import { GatepostError } from '../../../kit/errors.js';
import { configurationFor, type GrantDeps, oauthFailure } from './grants.js';
import { consentUrlsOf, type Purpose, scopeOf } from './provider.js';
import type { OAuthSettings } from './settings.js';

export interface Consent {
  readonly settings: OAuthSettings;
  readonly purpose: Purpose;
  /** The mailbox, shown to the provider as a hint. */
  readonly user: string;
}

export interface ConsentDeps extends GrantDeps {
  /** Shows what the person has to do. */
  show(text: string): void;
}

export async function consentByDevice(consent: Consent, deps: ConsentDeps): Promise<string> {
  const { settings, purpose } = consent;
  const config = await configurationFor(settings, deps, endpointsOf(settings));
  const parameters = scopeParameter(settings, purpose);
  try {
    const device = await oidc.initiateDeviceAuthorization(config, parameters);
    const minutes = Math.max(1, Math.round(device.expires_in / 60));
    deps.show(
      `Open ${device.verification_uri} in any browser, sign in as ${consent.user} and enter the code ${device.user_code}\n(valid for ${minutes} minutes; waiting for the consent, Ctrl-C gives up)\n`,
    );
    const tokens = await oidc.pollDeviceAuthorizationGrant(config, device, {}, { signal: deps.signal });
    return refreshTokenOf(tokens.refresh_token);
  } catch (error) {
    throw oauthFailure(error, settings, deps.clock);
  }
}

export async function consentByBrowser(consent: Consent, deps: ConsentDeps): Promise<string> {
  const { settings, purpose, user } = consent;
  const config = await configurationFor(settings, deps, endpointsOf(settings));
  const server = createServer();
  try {
    const redirectUri = await listen(server, settings);
    const verifier = oidc.randomPKCECodeVerifier();
    const state = oidc.randomState();
    const url = oidc.buildAuthorizationUrl(config, {
      ...scopeParameter(settings, purpose),
      redirect_uri: redirectUri,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      login_hint: user,
      // Without these Google gives a refresh token only for the very first consent.
      ...(settings.Provider === 'Google' && { access_type: 'offline', prompt: 'consent' }),
    });
    deps.show(
      `Open this address in a browser on this machine and sign in as ${user}:\n${url.href}\n(waiting for the consent, Ctrl-C gives up)\n`,
    );
    const answer = await redirected(server, redirectUri, state, deps.signal);
    const checks = { pkceCodeVerifier: verifier, expectedState: state };
    const tokens = await oidc.authorizationCodeGrant(config, answer, checks);
    return refreshTokenOf(tokens.refresh_token);
  } catch (error) {
    throw oauthFailure(error, settings, deps.clock);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

function endpointsOf(settings: OAuthSettings): Partial<oidc.ServerMetadata> {
  const urls = consentUrlsOf(settings);
  if (urls) return { authorization_endpoint: urls.authorization, device_authorization_endpoint: urls.device };
  throw new GatepostError('oauth/no-consent-page', `the consent page of ${settings.TokenUrl} is not known`, {
    advice: 'Get a refresh token from the provider by other means and write it into the secrets folder.',
  });
}

function scopeParameter(settings: OAuthSettings, purpose: Purpose): Record<string, string> {
  const scope = scopeOf(settings, purpose);
  return scope === undefined ? {} : { scope };
}

function refreshTokenOf(token: string | undefined): string {
  if (token) return token;
  throw new GatepostError('oauth/no-refresh-token', 'the provider gave an access token, but no refresh token', {
    advice: 'Add offline_access to Scope, or allow offline access for the application.',
  });
}

/** Microsoft takes any port with the name localhost, Google with the address. */
async function listen(server: Server, { Provider }: OAuthSettings): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return `http://${Provider === 'Microsoft' ? 'localhost' : '127.0.0.1'}:${port}/`;
}

/** Only a request that carries our state ends the wait: another page of the browser may try the port, too. */
function redirected(server: Server, redirectUri: string, state: string, signal: AbortSignal): Promise<URL> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    server.on('request', (request, response) => {
      const url = new URL(request.url ?? '/', redirectUri);
      const isOurs = url.searchParams.get('state') === state;
      response.writeHead(isOurs ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8' });
      response.end(isOurs ? 'Done. This window can be closed; the terminal shows the result.\n' : 'Not found.\n');
      if (!isOurs) return;
      signal.removeEventListener('abort', onAbort);
      resolve(url);
    });
  });
}
