import type { OAuthSettings } from './settings.js';

/** Microsoft's error numbers (https://learn.microsoft.com/entra/identity-platform/reference-error-codes). */
const MICROSOFT: Readonly<Record<string, string>> = {
  AADSTS7000215:
    'ClientSecret is wrong: copy the value of the secret, not its id, from "Certificates & secrets" of the app registration.',
  AADSTS7000222:
    'The client secret has expired: make a new one in the app registration and put it in place of the old.',
  AADSTS700016: 'The tenant does not know this application: check ClientId and TenantId.',
  AADSTS700027: 'The provider does not know this certificate: upload its public part to the app registration.',
  AADSTS900023: 'TenantId is neither a domain nor an id of a tenant.',
  AADSTS90002: 'TenantId does not exist: take it from the overview page of the app registration.',
  AADSTS65001: 'Nobody has consented to these permissions: an administrator grants them in the app registration.',
  AADSTS70011: 'Scope is not valid for this application: check its API permissions.',
  AADSTS53003: 'A conditional access policy of the tenant blocks this sign-in.',
  AADSTS50057: 'The account of the mailbox is disabled.',
};

const CONSENT_AGAIN = 'Run `gatepost oauth` for this gateway to give consent again.';

/** What a person can do about a refusal. */
export function adviceFor(
  { Provider, Flow }: OAuthSettings,
  code: string,
  description: string,
  refused: boolean,
): string {
  if (!refused) return 'The next attempt follows without further action.';
  const number = /AADSTS\d{4,9}/.exec(description.slice(0, 2000))?.[0];
  const known = number === undefined ? undefined : MICROSOFT[number];
  if (known) return known;
  if (code === 'invalid_grant' && Flow === 'RefreshToken')
    return `The refresh token is expired or revoked (a changed password revokes it, too). ${CONSENT_AGAIN}`;
  if (code === 'unauthorized_client' && Flow === 'ServiceAccount')
    return 'Allow the client id of the service account for the scope https://mail.google.com/ under domain-wide delegation in the Google admin console.';
  if (code === 'invalid_grant' && Flow === 'ServiceAccount')
    return 'Check that User is a mailbox of the domain, that the key of the service account still exists, and the clock of this machine.';
  if (code === 'invalid_client' || code === 'unauthorized_client')
    return 'Check ClientId and ClientSecret, and that the application may use this flow.';
  if (code === 'invalid_scope')
    return `Check Scope and the permissions of the application${Provider === 'Microsoft' ? ' in its app registration' : ''}.`;
  return 'Check the settings under OAuth2 and the application at the provider.';
}
