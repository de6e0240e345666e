import { createPrivateKey, X509Certificate } from 'node:crypto';
import { messageOf } from '../../../kit/errors.js';
import { nested, type SettingProblem, setting, settingsSchema, z } from '../../settings.js';

const text = () => z.string().trim().min(1, 'is empty').optional();

const shape = {
  Provider: setting(z.enum(['Microsoft', 'Google', 'Custom']), {
    description: 'Who issues the tokens: Microsoft (Microsoft 365, Outlook.com), Google (Workspace, Gmail), or Custom.',
    example: 'Microsoft',
  }),
  Flow: setting(z.enum(['ClientCredentials', 'RefreshToken', 'ServiceAccount']), {
    description:
      'How tokens are got. ClientCredentials: the application signs in as itself (Microsoft, Custom). RefreshToken: a person gave consent once. ServiceAccount: a Google service account acts for the mailbox (domain-wide delegation).',
    example: 'ClientCredentials',
  }),
  TenantId: setting(text(), {
    description: 'Microsoft only: id or domain of the directory (tenant). Without it, with RefreshToken: "common".',
    example: 'contoso.onmicrosoft.com',
  }),
  ClientId: setting(text(), {
    description: 'Id of the application that is registered at the provider.',
    example: '6731de76-14a6-49ae-97bc-6eba6914391e',
  }),
  ClientSecret: setting(text(), {
    description: 'Secret of the application.',
    example: '${env:GATEPOST_SECRET_MAIL_APP}',
    secret: true,
  }),
  Certificate: setting(text(), {
    description:
      'In place of ClientSecret, for Microsoft and Custom: PEM text with the certificate of the application and its private key (RSA, without a passphrase).',
    example: '${file:mail-app.pem}',
    secret: true,
  }),
  ServiceAccountKey: setting(text(), {
    description: 'For the flow ServiceAccount: the JSON key file of the service account, whole.',
    example: '${file:service-account.json}',
    secret: true,
  }),
  RefreshToken: setting(text(), {
    description: 'For the flow RefreshToken: the token that `gatepost oauth` wrote, by reference to its file.',
    example: '${file:support-refresh-token}',
    secret: true,
  }),
  Scope: setting(text(), {
    description: 'Scopes to ask for, separated by blanks. Without it: what the provider wants for this device.',
    example: 'https://outlook.office365.com/.default',
  }),
  TokenUrl: setting(z.url({ protocol: /^https?$/, error: 'is not a URL' }).optional(), {
    description:
      "Address of the token endpoint; mandatory with Custom. Without it: the provider's own. National clouds have others.",
    example: 'https://login.microsoftonline.us/contoso.onmicrosoft.us/oauth2/v2.0/token',
  }),
};

/** Settings of an account at a provider, held by the mail devices under the name `OAuth2`. */
export const oauthSettings = settingsSchema(shape, rules);

type Parsed = Extract<ReturnType<typeof oauthSettings.parse>, { ok: true }>;
export type OAuthSettings = Parsed['settings'];

/** The setting `OAuth2` of a mail device. */
export const oauthSetting = () =>
  nested(
    { device: 'OAuth2', settings: oauthSettings },
    {
      description: 'Signs in with OAuth2 tokens instead of a password, as Microsoft 365 and Google demand.',
      example: {
        Provider: 'Microsoft',
        Flow: 'ClientCredentials',
        TenantId: 'contoso.onmicrosoft.com',
        ClientId: '6731de76-14a6-49ae-97bc-6eba6914391e',
        ClientSecret: '${env:GATEPOST_SECRET_MAIL_APP}',
      },
    },
  );

function rules(settings: z.output<z.ZodObject<typeof shape>>): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const add = (name: keyof typeof shape, message: string) => void problems.push({ setting: name, message });
  const { Provider, Flow, TenantId, ClientId, ClientSecret, Certificate, RefreshToken, TokenUrl } = settings;
  if (Provider === 'Google' && Flow === 'ClientCredentials')
    add('Flow', 'cannot be ClientCredentials at Google: use ServiceAccount, or RefreshToken for a single mailbox');
  if (Provider !== 'Google' && Flow === 'ServiceAccount')
    add('Flow', 'ServiceAccount exists at Google only: use ClientCredentials or RefreshToken');
  if (Provider === 'Custom' && !TokenUrl) add('TokenUrl', 'is missing: with Provider "Custom" it is mandatory');
  if (Provider === 'Microsoft' && Flow === 'ClientCredentials' && !TenantId && !TokenUrl)
    add('TenantId', 'is missing: an application signs in to one tenant');
  if (Flow !== 'ServiceAccount' && !ClientId) add('ClientId', `is missing: the flow ${Flow} needs it`);
  if (Flow === 'ClientCredentials' && !ClientSecret && !Certificate)
    add('ClientSecret', 'is missing: the flow ClientCredentials needs ClientSecret or Certificate');
  if (ClientSecret && Certificate) add('Certificate', 'is given beside ClientSecret: keep one');
  if (Flow === 'RefreshToken' && !RefreshToken)
    add('RefreshToken', 'is missing: run `gatepost oauth` for this gateway, which asks for consent and writes it');
  if (Certificate) problems.push(...problemOf('Certificate', certificateProblem(Certificate)));
  problems.push(...serviceAccountProblems(settings));
  return problems;
}

function serviceAccountProblems({ Flow, ServiceAccountKey }: z.output<z.ZodObject<typeof shape>>): SettingProblem[] {
  if (Flow !== 'ServiceAccount') {
    const message = `has no effect with the flow ${Flow}: remove it`;
    return ServiceAccountKey ? [{ setting: 'ServiceAccountKey', message }] : [];
  }
  if (!ServiceAccountKey) {
    const message = 'is missing: download a JSON key of the service account and name its file';
    return [{ setting: 'ServiceAccountKey', message }];
  }
  return problemOf('ServiceAccountKey', serviceAccountProblem(ServiceAccountKey));
}

const problemOf = (name: string, message: string | null): SettingProblem[] =>
  message === null ? [] : [{ setting: name, message }];

/** A reference that is not resolved, as `check` on another machine sees it, is no PEM and no JSON yet. */
const isReference = (value: string) => value.startsWith('${');

function certificateProblem(pem: string): string | null {
  if (isReference(pem)) return null;
  try {
    if (createPrivateKey(pem).asymmetricKeyType !== 'rsa') return 'holds a private key that is not RSA';
    return new X509Certificate(pem).checkPrivateKey(createPrivateKey(pem))
      ? null
      : 'holds a certificate and a private key that do not belong together';
  } catch (error) {
    return `is not PEM text with a certificate and its private key without a passphrase: ${messageOf(error)}`;
  }
}

/** What of a service account's key file is needed. */
export interface ServiceAccount {
  readonly client_email: string;
  readonly private_key: string;
}

const serviceAccountKey = z.object({ client_email: z.string().min(3), private_key: z.string().min(1) });

export function serviceAccountOf(json: string): ServiceAccount {
  return serviceAccountKey.parse(JSON.parse(json));
}

function serviceAccountProblem(json: string): string | null {
  if (isReference(json)) return null;
  try {
    createPrivateKey(serviceAccountOf(json).private_key);
    return null;
  } catch {
    return 'is not the JSON key file of a service account: it needs "client_email" and "private_key"';
  }
}
