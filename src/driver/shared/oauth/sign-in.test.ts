import { describe, expect, it } from 'vitest';
import { type OAuthSettings, oauthSettings } from './settings.js';
import { accountDestinations, accountProblems } from './sign-in.js';

const app = { Provider: 'Microsoft', Flow: 'ClientCredentials', TenantId: 't', ClientId: 'a', ClientSecret: 's' };
const settingsOf = (written: Record<string, unknown>): OAuthSettings => {
  const parsed = oauthSettings.parse(written);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.settings;
};
const oauth = settingsOf(app);

describe('the secrets of an account go', () => {
  it.each([
    ['a password to the mail server', {}, 'mail.example', true, [['mail.example', true, true]]],
    [
      "those of OAuth2 to the token endpoint alone, with the provider's own mail server",
      { OAuth2: oauth },
      'outlook.office365.com',
      true,
      [
        ['outlook.office365.com', true, false],
        ['login.microsoftonline.com', true, true],
      ],
    ],
    [
      'in effect to any other mail server, too',
      { OAuth2: oauth },
      'outlook.office365.com.evil.example',
      true,
      [
        ['outlook.office365.com.evil.example', true, true],
        ['login.microsoftonline.com', true, true],
      ],
    ],
    [
      "in effect to whoever listens, when the provider's mail server is reached without TLS",
      { OAuth2: oauth },
      'smtp.office365.com',
      false,
      [
        ['smtp.office365.com', false, true],
        ['login.microsoftonline.com', true, true],
      ],
    ],
  ])('%s', (_, settings, host, isProtected, expected) => {
    const found = accountDestinations(settings, host, isProtected);
    expect(found.map((one) => [one.host, one.isProtected, one.secrets.length > 0])).toEqual(expected);
  });
});

describe('the settings of an account', () => {
  it.each([
    [{ User: 'u' }, 'Password is missing'],
    [{ User: 'u', Password: 'p', OAuth2: oauth }, 'Password is given beside OAuth2'],
    [{ User: 'u', Password: 'p', Mailbox: 'm' }, 'Mailbox works with OAuth2 only'],
    [{ User: 'u', Password: 'p' }, ''],
    [{ User: 'u', OAuth2: oauth, Mailbox: 'm' }, ''],
    [{}, ''],
  ])('%j have the problem: %s', (settings, problem) => {
    const found = accountProblems(settings).map(({ setting, message }) => `${setting} ${message}`);
    expect(found.join('; ').startsWith(problem)).toBe(true);
    expect(found).toHaveLength(problem === '' ? 0 : 1);
  });
});
