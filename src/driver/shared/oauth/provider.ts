// What is known of the providers: addresses and scopes.
// Microsoft: https://learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth
// Google: https://developers.google.com/workspace/gmail/imap/xoauth2-protocol
import type { OAuthSettings } from './settings.js';

/** What the token is for. */
export type Purpose = 'Imap' | 'Pop3' | 'Smtp' | 'Graph';

const MICROSOFT_LOGIN = 'https://login.microsoftonline.com';
const GOOGLE_TOKEN = 'https://oauth2.googleapis.com/token';
const GOOGLE_MAIL = 'https://mail.google.com/';

/** Scopes that a person consents to (delegated permissions). */
const MICROSOFT_DELEGATED: Readonly<Record<Purpose, string>> = {
  Imap: 'https://outlook.office.com/IMAP.AccessAsUser.All offline_access',
  Pop3: 'https://outlook.office.com/POP.AccessAsUser.All offline_access',
  Smtp: 'https://outlook.office.com/SMTP.Send offline_access',
  Graph: 'https://graph.microsoft.com/Mail.ReadWrite https://graph.microsoft.com/Mail.Send offline_access',
};

export function tokenUrlOf({ TokenUrl, Provider, TenantId }: OAuthSettings): string {
  if (TokenUrl) return TokenUrl;
  return Provider === 'Google' ? GOOGLE_TOKEN : `${MICROSOFT_LOGIN}/${tenantOf(TenantId)}/oauth2/v2.0/token`;
}

const tenantOf = (tenant: string | undefined) => encodeURIComponent(tenant ?? 'common');

/** Undefined where only the administrator can know. */
export function scopeOf({ Scope, Provider, Flow }: OAuthSettings, purpose: Purpose): string | undefined {
  if (Scope) return Scope;
  if (Provider === 'Google') return GOOGLE_MAIL;
  if (Provider === 'Custom') return undefined;
  if (Flow === 'RefreshToken') return MICROSOFT_DELEGATED[purpose];
  return purpose === 'Graph' ? 'https://graph.microsoft.com/.default' : 'https://outlook.office365.com/.default';
}

/** Where a person gives consent, and where a device asks for a code. */
export interface ConsentUrls {
  readonly authorization: string;
  readonly device: string;
}

/** Undefined for a custom provider whose token address does not end in `/token`: its other addresses cannot be guessed. */
export function consentUrlsOf(settings: OAuthSettings): ConsentUrls | undefined {
  if (settings.Provider === 'Google' && !settings.TokenUrl)
    return {
      authorization: 'https://accounts.google.com/o/oauth2/v2/auth',
      device: 'https://oauth2.googleapis.com/device/code',
    };
  const token = tokenUrlOf(settings);
  if (!token.endsWith('/token')) return undefined;
  const base = token.slice(0, -'/token'.length);
  return { authorization: `${base}/authorize`, device: `${base}/devicecode` };
}
