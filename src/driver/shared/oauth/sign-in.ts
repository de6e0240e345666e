import type { Destination, GatewayContext } from '../../contract.js';
import type { SettingProblem } from '../../settings.js';
import { accountTokens } from './account.js';
import { type Purpose, tokenUrlOf } from './provider.js';
import type { OAuthSettings } from './settings.js';

/** The settings of a device that signs in to a mail server. */
export interface AccountSettings {
  readonly User?: string | undefined;
  readonly Password?: string | undefined;
  readonly Mailbox?: string | undefined;
  readonly OAuth2?: OAuthSettings | undefined;
}

export type Credentials =
  | { readonly user: string; readonly pass: string }
  | {
      readonly user: string;
      readonly accessToken: string;
      /** The server does not accept the token: the next sign-in gets another one. */
      readonly invalidate: () => void;
    };

/** What of the context signing in needs. */
export type SignInContext = Pick<GatewayContext<unknown>, 'accounts' | 'secretStore' | 'clock' | 'log' | 'network'>;

/** The mailbox that is read or sent from: a shared one, or that of the user. */
export function mailboxOf({ Mailbox, User }: AccountSettings): string {
  return Mailbox ?? User ?? '';
}

/**
 * Password, or an access token. Rejects with an OAuthFailure when the provider gives none.
 * With a token the mailbox is what is signed in to: a shared mailbox has no password of its own.
 */
export async function credentialsFor(
  context: SignInContext,
  settings: AccountSettings,
  purpose: Purpose,
  signal: AbortSignal,
): Promise<Credentials> {
  const { OAuth2, User = '', Password = '' } = settings;
  if (!OAuth2) return { user: User, pass: Password };
  const user = mailboxOf(settings);
  const tokens = accountTokens(context, OAuth2, purpose, user);
  const accessToken = await tokens.token(signal);
  return { user, accessToken, invalidate: () => tokens.invalidate(accessToken) };
}

/** Problems across these settings. */
export function accountProblems({ User, Password, Mailbox, OAuth2 }: AccountSettings): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const add = (setting: string, message: string) => void problems.push({ setting, message });
  if (OAuth2 && Password) add('Password', 'is given beside OAuth2, which replaces it: keep one');
  if (User && !Password && !OAuth2)
    add('Password', 'is missing: User is given, so a password is needed, or OAuth2 where the provider demands it');
  if (Mailbox && !OAuth2) add('Mailbox', 'works with OAuth2 only: with a password, User names the mailbox');
  return problems;
}

/** What to check when a mail server refuses a sign-in. */
export function signInAdvice({ OAuth2 }: AccountSettings, purpose: Purpose): string {
  if (!OAuth2) return OWN_MAILBOX[purpose] ?? 'Check User and Password; many providers want an app password.';
  if (OAuth2.Provider === 'Microsoft' && OAuth2.Flow === 'ClientCredentials')
    return `Check the name of the mailbox, that the application has the permission ${MICROSOFT_PERMISSION[purpose]}, and that its service principal was given access to this mailbox in Exchange Online.`;
  if (OAuth2.Provider === 'Google')
    return 'Check the name of the mailbox, and that IMAP and SMTP are switched on for it.';
  return 'Check the name of the mailbox, the Scope, and that the account may use this mailbox and this protocol.';
}

const OWN_MAILBOX: Partial<Record<Purpose, string>> = {
  Imap: 'Check User and Password; many providers want an app password, and IMAP switched on for the mailbox.',
  Pop3: 'Check User and Password; many providers want an app password, and POP3 switched on for the mailbox.',
};

const MICROSOFT_PERMISSION: Readonly<Record<Purpose, string>> = {
  Imap: 'IMAP.AccessAsApp',
  Pop3: 'POP.AccessAsApp',
  Smtp: 'SMTP.SendAsApp',
  Graph: 'Mail.ReadWrite (and Mail.Send)',
};

const OAUTH_SECRETS = ['ClientSecret', 'Certificate', 'ServiceAccountKey', 'RefreshToken'].map(
  (name) => `OAuth2.${name}`,
);

/** The providers' own mail servers: a token that goes there went nowhere else. */
const OWN_HOSTS: Readonly<Record<string, RegExp>> = {
  Microsoft: /^(?:outlook\.office365|smtp\.office365|outlook\.office|graph\.microsoft|smtp-mail\.outlook)\.com$/i,
  Google: /^(?:imap|pop|smtp)\.(?:gmail|googlemail)\.com$/i,
};

/**
 * Where the secrets of the account go: the password to the mail server, those of OAuth2 to the token endpoint. Whoever gets the
 * token can use the mailbox, so a mail server that is not the provider's counts as a host of these secrets, too.
 */
export function accountDestinations({ OAuth2 }: AccountSettings, host: string, isProtected: boolean): Destination[] {
  if (!OAuth2) return [{ host, isProtected, secrets: ['Password'] }];
  const { protocol, hostname } = new URL(tokenUrlOf(OAuth2));
  const isOwn = isProtected && OWN_HOSTS[OAuth2.Provider]?.test(host) === true;
  return [
    { host, isProtected, secrets: isOwn ? [] : OAUTH_SECRETS },
    { host: hostname, isProtected: protocol === 'https:', secrets: OAUTH_SECRETS },
  ];
}
