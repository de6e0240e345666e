import { type SettingProblem, setting, settingsSchema, z } from '../../src/driver/settings.js';
import { linkSettings } from '../../src/driver/shared/link-settings.js';
import { type OAuthSettings, oauthSettings } from '../../src/driver/shared/oauth/settings.js';

const MIB = 1024 * 1024;
/** The least of a mail that is received, bytes: the header and the beginning of the text. */
const LEAST_BYTES = 256 * 1024;
export const HOME = 'https://graph.microsoft.com/v1.0';
const ISO_DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

const text = () => z.string().trim().min(1, 'is empty');
const address = z.string().regex(/^[^\s<>@]+@[^\s<>@]+$/, 'is not an e-mail address');
const url = () => z.url({ protocol: /^https?$/, error: 'is not an http or https address' });

const shape = {
  TenantId: setting(text(), {
    description: 'Id or domain of the directory (tenant) at Microsoft.',
    example: 'contoso.onmicrosoft.com',
  }),
  ClientId: setting(text(), {
    description: 'Id of the application that is registered there.',
    example: '6731de76-14a6-49ae-97bc-6eba6914391e',
  }),
  ClientSecret: setting(text().optional(), {
    description: 'Secret of the application.',
    example: '${env:GATEPOST_SECRET_MAIL_APP}',
    secret: true,
  }),
  Certificate: setting(text().optional(), {
    description:
      'In place of ClientSecret: PEM text with the certificate of the application and its private key (RSA, without a passphrase).',
    example: '${file:mail-app.pem}',
    secret: true,
  }),
  Mailbox: setting(address, {
    description: 'Address (user principal name) of the mailbox; a shared mailbox works the same way.',
    example: 'support@contoso.com',
  }),
  Folder: setting(text().default('Inbox'), {
    description:
      'Folder whose mails are received: its path by display names, or a well-known name such as Inbox or Archive.',
    example: 'Inbox/Support',
    only: 'in',
  }),
  AfterReceive: setting(z.enum(['Read', 'Category', 'Move', 'Delete', 'Keep']).default('Read'), {
    description:
      'What happens to a mail once the contact center has acknowledged it: marked as read (Read), given the category of Category (Category), moved to MoveTo (Move), deleted (Delete), or nothing (Keep).',
    example: 'Move',
    only: 'in',
  }),
  Category: setting(text().default('Gatepost'), {
    description: 'Name of the category that received mails get with AfterReceive Category.',
    example: 'Received',
    only: 'in',
  }),
  MoveTo: setting(text().optional(), {
    description: 'Existing folder for received mails, written as Folder is; needed with AfterReceive Move.',
    example: 'Archive',
    only: 'in',
  }),
  PollSeconds: setting(z.int().min(1).max(3_600).default(30), {
    description: 'Seconds between two polls for new mail, up to 3600.',
    example: 15,
    only: 'in',
  }),
  Since: setting(text().refine(isSince, 'must be "Now", "All" or a date such as "2026-11-01"').default('Now'), {
    description:
      'Which mails are received at the very first start on a folder: those that come from then on (Now), all that are in the folder (All), or those with this ISO date or a later one. Afterwards this setting has no effect.',
    example: '2026-11-01',
    only: 'in',
  }),
  MaxMessageBytes: setting(
    z
      .int()
      .min(LEAST_BYTES)
      .max(200 * MIB)
      .default(25 * MIB),
    {
      description:
        'Largest mail that is received whole, in bytes (256 KiB to 200 MiB). Of a larger mail the beginning is received with a note, and the original is never deleted.',
      example: 10 * MIB,
      only: 'in',
    },
  ),
  From: setting(address.optional(), {
    description:
      'Sender address of everything sent through this gateway; the mailbox needs the right to send as it. When absent: the address in the send request.',
    example: 'support@contoso.com',
    only: 'out',
  }),
  FromName: setting(z.string().optional(), {
    description: 'Display name of the sender. When absent: the name in the send request.',
    example: 'Contoso Support',
    only: 'out',
  }),
  WhenUncertain: setting(z.enum(['Resend', 'Hold', 'AssumeSent']).default('Resend'), {
    description:
      'What to do when the outcome is unknown and the mail is not in Sent Items. Resend: send again with the same Message-ID, which receivers recognize as one mail. Hold: an operator decides. AssumeSent: answer that it was sent.',
    example: 'Hold',
    only: 'out',
  }),
  BaseUrl: setting(url().optional(), {
    description: `Address that replaces ${HOME}, for a national cloud. It gets the access token.`,
    example: 'https://graph.microsoft.us/v1.0',
  }),
  TokenUrl: setting(url().optional(), {
    description: 'Address of the token endpoint, for a national cloud.',
    example: 'https://login.microsoftonline.us/contoso.onmicrosoft.us/oauth2/v2.0/token',
  }),
  ...linkSettings,
};

export const settings = settingsSchema(shape, rules);
export type Settings = z.output<z.ZodObject<typeof shape>>;

/** The account as the token source knows it. */
export function accountOf(given: Settings): OAuthSettings {
  const { TenantId, ClientId, ClientSecret, Certificate, TokenUrl, BaseUrl } = given;
  return {
    ...{ Provider: 'Microsoft', Flow: 'ClientCredentials' },
    ...{ TenantId, ClientId, ClientSecret, Certificate, TokenUrl },
    ...{ ServiceAccountKey: undefined, RefreshToken: undefined },
    Scope: `${new URL(BaseUrl ?? HOME).origin}/.default`,
  };
}

/** Mails received before this moment (ms) are skipped at the first start, which is at `start`. */
export function sinceOf({ Since }: Pick<Settings, 'Since'>, start: number): number {
  if (Since.toLowerCase() === 'now') return start;
  if (Since.toLowerCase() === 'all') return Number.NEGATIVE_INFINITY;
  return new Date(Since).getTime();
}

function isSince(value: string): boolean {
  if (/^(now|all)$/i.test(value)) return true;
  return ISO_DATE.test(value) && !Number.isNaN(new Date(value).getTime());
}

function rules(given: Settings): SettingProblem[] {
  const { AfterReceive, MoveTo, Folder, BaseUrl, TokenUrl } = given;
  const problems = accountProblems(given);
  const add = (setting: keyof typeof shape, message: string) => void problems.push({ setting, message });
  if (AfterReceive === 'Move' && !MoveTo) add('MoveTo', 'is missing: AfterReceive "Move" needs the folder to move to');
  if (AfterReceive !== 'Move' && MoveTo)
    add('MoveTo', `has no effect with AfterReceive "${AfterReceive}": write "AfterReceive": "Move" or remove it`);
  if (MoveTo?.toLowerCase() === Folder.toLowerCase())
    add('MoveTo', `is the folder that is being received ("${Folder}"): name another one`);
  if (!isSafe(BaseUrl)) add('BaseUrl', 'is not encrypted: the access token goes there, so write https');
  if (!isSafe(TokenUrl)) add('TokenUrl', 'is not encrypted: the secret of the application goes there, so write https');
  return problems;
}

/** The same rules as those of an account under `OAuth2`, for the settings that both have. */
function accountProblems(given: Settings): SettingProblem[] {
  const { Provider, Flow, TenantId, ClientId, ClientSecret, Certificate } = accountOf(given);
  const parsed = oauthSettings.parse({
    ...{ Provider, Flow, TenantId, ClientId },
    ...(ClientSecret && { ClientSecret }),
    ...(Certificate && { Certificate }),
  });
  return parsed.ok ? [] : [...parsed.problems];
}

/** Unencrypted is for tests on this machine only. */
function isSafe(address: string | undefined): boolean {
  if (address === undefined) return true;
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}
