// SmtpHost signs in with OAuth2 to a real Postfix, whose sign-in a real Dovecot checks.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attemptOf, contextOf, outboundMail } from '../../test/conformance/context.js';
import { type Dovecot, startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import { type OAuthServer, startOAuthServer } from '../../test/servers/oauth-server.js';
import { type Postfix, startPostfix, whyNoPostfix } from '../../test/servers/postfix.js';
import { type SmtpServer, startSmtp } from '../../test/servers/smtp.js';
import { smtpHost } from './driver.js';

const missing = whyNoPostfix() ?? whyNoDovecot();
const user = 'desk@example.test';

describe.runIf(!missing)(`sending with OAuth2${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let behind: SmtpServer;
  let postfix: Postfix;
  let dovecot: Dovecot;
  let oauth: OAuthServer;

  const context = (own: Record<string, unknown> = {}, more: Record<string, unknown> = {}) =>
    contextOf(
      smtpHost,
      {
        Host: postfix.host,
        Port: postfix.port,
        Security: 'None',
        User: user,
        OAuth2: {
          Provider: 'Custom',
          Flow: 'RefreshToken',
          ClientId: 'app-1',
          ClientSecret: 'app-secret',
          RefreshToken: 'refresh-1',
          TokenUrl: oauth.tokenUrl,
          ...more,
        },
        ...own,
      },
      { direction: 'O' },
    );

  beforeAll(async () => {
    oauth = await startOAuthServer({ user });
    dovecot = await startDovecot({ tokenInfoUrl: oauth.introspectionUrl });
    behind = await startSmtp();
    postfix = await startPostfix({
      relayPort: behind.port,
      config: [
        'smtpd_sasl_auth_enable = yes',
        'smtpd_sasl_type = dovecot',
        `smtpd_sasl_path = inet:127.0.0.1:${dovecot.saslPort}`,
        'smtpd_sasl_security_options = noanonymous',
        // Only who signed in may send.
        'smtpd_client_restrictions = permit_sasl_authenticated, reject',
      ],
    });
  });
  afterAll(async () => {
    await postfix?.close();
    await behind?.close();
    await dovecot?.close();
    await oauth?.close();
  });

  it('hands a mail over', async () => {
    const session = await smtpHost.open(context());
    try {
      const outcome = await smtpHost.send?.(session, outboundMail('signed in'), attemptOf());
      expect(outcome).toMatchObject({ kind: 'sent', detail: expect.stringContaining('queued as') });
      expect(postfix.log()).toContain('sasl_method=XOAUTH2, sasl_username=desk@example.test');
    } finally {
      await smtpHost.close(session);
    }
  });

  it('gets another token within the same sign-in when the server does not accept the first', async () => {
    const once = context();
    await smtpHost.close(await smtpHost.open(once));
    const before = oauth.requests.length;
    oauth.revoke();
    await smtpHost.close(await smtpHost.open(once));
    expect(oauth.requests.length - before).toBe(1);
  });

  it("says why the provider gives no token, in the provider's words", async () => {
    await expect(smtpHost.open(context({}, { RefreshToken: 'revoked' }))).rejects.toMatchObject({
      message: expect.stringMatching(/refuses a token: invalid_grant: AADSTS70000: the refresh token is not valid/),
    });
  });

  it('is tested step by step', async () => {
    const steps: unknown[] = [];
    for await (const { name, ok } of smtpHost.check(context(), new AbortController().signal)) steps.push([name, ok]);
    expect(steps.at(-1)).toEqual([`OAuth2 sign-in as ${user}`, true]);
  });
});
