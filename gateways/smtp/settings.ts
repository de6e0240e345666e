import { type SettingProblem, setting, settingsSchema, z } from '../../src/driver/settings.js';
import { hostType, portProblem } from '../../src/driver/shared/host.js';
import { oauthSetting } from '../../src/driver/shared/oauth/settings.js';
import { accountProblems } from '../../src/driver/shared/oauth/sign-in.js';

const address = z.string().regex(/^[^\s<>@]+@[^\s<>@]+$/, 'is not an e-mail address');

export const settings = settingsSchema(
  {
    Host: setting(hostType(), {
      description: 'The mail server (relay, submission server) that accepts outgoing mail: name or IP address.',
      example: 'smtp.example.com',
    }),
    Port: setting(z.int().min(1).max(65_535).optional(), {
      description: 'Its TCP port. When absent: 465 with Security Tls, 587 with StartTls, 25 with None.',
      example: 587,
    }),
    Security: setting(z.enum(['Tls', 'StartTls', 'None']).default('Tls'), {
      description:
        'Tls: encrypted from the first byte. StartTls: starts unencrypted and must be upgraded before any other command. None: never encrypted, for a relay on the same machine or network.',
      example: 'StartTls',
    }),
    TlsName: setting(z.string().min(1).optional(), {
      description: 'The name that the certificate must be for, where it differs from Host.',
      example: 'mail.example.com',
    }),
    CaFile: setting(z.string().min(1).optional(), {
      description:
        'PEM file with the certificate authority to trust instead of the public ones; a relative path counts from the data folder.',
      example: 'company-ca.pem',
      path: 'certificate',
    }),
    AllowUntrustedCertificate: setting(z.boolean().default(false), {
      description: 'True accepts any certificate, so the mail can be read and changed on its way. Logged as a warning.',
      example: false,
    }),
    Name: setting(
      z
        .string()
        .regex(/^[^\s]+$/, 'is not a host name')
        .optional(),
      {
        description: 'The name given with EHLO. When absent: the name of this machine.',
        example: 'gatepost.example.com',
      },
    ),
    User: setting(z.string().min(1).optional(), {
      description: 'Account to log in with. When absent there is no login.',
      example: 'support@example.com',
    }),
    Password: setting(z.string().min(1).optional(), {
      description: 'Its password. Not with OAuth2.',
      example: '${env:GATEPOST_SECRET_SMTP}',
      secret: true,
    }),
    OAuth2: oauthSetting(),
    Mailbox: setting(z.string().trim().min(1, 'is empty').optional(), {
      description: 'With OAuth2: the mailbox to send from when it is not that of User, such as a shared mailbox.',
      example: 'info@example.com',
    }),
    From: setting(address.optional(), {
      description:
        'Sender address of everything sent through this gateway. When absent: the address in the send request.',
      example: 'support@example.com',
    }),
    FromName: setting(z.string().optional(), {
      description: 'Display name of the sender. When absent: the name in the send request.',
      example: 'Example Support',
    }),
    MaxConnections: setting(z.int().min(1).max(50).default(5), {
      description:
        'How many connections to the mail server may be open at once, each sending one mail at a time (1 to 50).',
      example: 5,
    }),
    MaxPerSecond: setting(z.number().positive().max(1000).optional(), {
      description:
        'How many mails may be started per second, for relays that throttle. Less than 1 is possible: 0.2 is one in 5 seconds.',
      example: 10,
    }),
    WhenUncertain: setting(z.enum(['Resend', 'Hold', 'AssumeSent']).default('Resend'), {
      description:
        'What to do when the outcome is unknown: the connection broke after the whole mail was transferred and before the reply. Resend: send again with the same Message-ID, which receivers recognize as one mail. Hold: an operator decides. AssumeSent: answer that it was sent.',
      example: 'Hold',
    }),
  },
  ({ User, Password, Port, Security, TlsName, CaFile, OAuth2, Mailbox }) => {
    const problems: SettingProblem[] = accountProblems({ User, Password, OAuth2, Mailbox });
    const addProblem = (setting: string, message: string) => void problems.push({ setting, message });
    if (OAuth2 && !User && !Mailbox) addProblem('User', 'is missing: OAuth2 signs in to a mailbox, which User names');
    if (Password && !User) addProblem('User', 'is missing: Password is given, so a user is needed');
    const misfit = portProblem(Port, Security);
    if (misfit) addProblem('Security', misfit);
    const noEffect = 'has no effect with Security "None": use "Tls" or "StartTls", or remove it';
    if (Security === 'None' && TlsName) addProblem('TlsName', noEffect);
    if (Security === 'None' && CaFile) addProblem('CaFile', noEffect);
    return problems;
  },
);

type Parsed = Extract<ReturnType<typeof settings.parse>, { ok: true }>;
export type SmtpHostSettings = Parsed['settings'];

const USUAL_PORT = { Tls: 465, StartTls: 587, None: 25 } as const;

export function portOf({ Port, Security }: SmtpHostSettings): number {
  return Port ?? USUAL_PORT[Security];
}
