import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Dovecot, startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import { type ImapHarness, imapContext, mailOf, openImapHarness } from '../../test/servers/imap-harness.js';
import { type OAuthServer, startOAuthServer } from '../../test/servers/oauth-server.js';
import { imapHost } from './driver.js';

const missing = whyNoDovecot();
const user = 'desk@example.test';
const shared = 'info@example.test';

describe.runIf(!missing)(`signing in with OAuth2${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let dovecot: Dovecot;
  let oauth: OAuthServer;
  let harness: ImapHarness | undefined;

  const settings = (more: Record<string, unknown> = {}, own: Record<string, unknown> = {}) => ({
    Password: undefined,
    Since: 'All',
    OAuth2: {
      Provider: 'Custom',
      Flow: 'ClientCredentials',
      ClientId: 'app-1',
      ClientSecret: 'app-secret',
      TokenUrl: oauth.tokenUrl,
      ...more,
    },
    ...own,
  });

  beforeAll(async () => {
    oauth = await startOAuthServer({ user });
    dovecot = await startDovecot({
      users: [
        { name: user, password: 'unused-1' },
        { name: shared, password: 'unused-2' },
      ],
      tokenInfoUrl: oauth.introspectionUrl,
    });
    await dovecot.deliver(user, mailOf('one'));
  });
  afterEach(async () => {
    await harness?.close();
    harness = undefined;
    oauth.failWith(undefined);
  });
  afterAll(async () => {
    await dovecot?.close();
    await oauth?.close();
  });

  test.each([
    ['as the application', { Flow: 'ClientCredentials' }],
    ['for a person who gave consent', { Flow: 'RefreshToken', RefreshToken: 'refresh-1' }],
  ])('receives mail %s', async (_, flow) => {
    harness = await openImapHarness(imapHost, dovecot, user, { settings: settings(flow) });
    expect((await harness.next()).key).toContain('INBOX');
    expect(dovecot.log()).toContain('method=OAUTHBEARER');
  });

  test('gets another token when the mail server does not accept the first any more', async () => {
    harness = await openImapHarness(imapHost, dovecot, user, { settings: settings() });
    const before = oauth.requests.length;
    const { context } = imapContext(imapHost, dovecot, user, { settings: settings() });
    await imapHost.close(await imapHost.open(context));
    oauth.revoke();
    await expect(imapHost.open(context)).rejects.toMatchObject({ code: 'gateway/login-refused' });
    await imapHost.close(await imapHost.open(context));
    expect(oauth.requests.length - before).toBe(2);
  });

  test("says why the provider gives no token, in the provider's words, and asks it once", async () => {
    const { context } = imapContext(imapHost, dovecot, user, { settings: settings({ ClientSecret: 'wrong' }) });
    const before = oauth.requests.length;
    const opening = imapHost.open(context);
    await expect(opening).rejects.toMatchObject({
      code: 'oauth/refused',
      message: expect.stringMatching(
        /^127\.0\.0\.1:\d+ refuses a token: invalid_client: AADSTS7000215: Invalid client/,
      ),
      advice: expect.stringContaining('copy the value of the secret'),
    });
    await expect(imapHost.open(context)).rejects.toMatchObject({ code: 'oauth/refused' });
    expect(oauth.requests.length - before).toBe(1);
  });

  test('opens a shared mailbox with the rights of the application', async () => {
    await dovecot.deliver(shared, mailOf('for all'));
    // The stand-in issues tokens for one mailbox at a time.
    oauth.user = shared;
    harness = await openImapHarness(imapHost, dovecot, user, { settings: settings({}, { Mailbox: shared }) });
    expect((await harness.next()).content?.raw.toString()).toContain('for all');
    oauth.user = user;
  });
});
