import { setting, settingsSchema, z } from '../../src/driver/settings.js';
import { hostType } from '../../src/driver/shared/host.js';
import { linkSettings } from '../../src/driver/shared/link-settings.js';
import { isNetwork } from './networks.js';

export const settings = settingsSchema(
  {
    Host: setting(hostType().default('127.0.0.1'), {
      description:
        'The address to listen on. 0.0.0.0 or :: accepts mail from every network: then limit Recipients, and require a login or use a firewall.',
      example: '127.0.0.1',
    }),
    Port: setting(z.int().min(1).max(65_535).default(2525), {
      description: 'The TCP port to listen on. Ports below 1024 need privileges on most systems.',
      example: 2525,
    }),
    Name: setting(
      z
        .string()
        .regex(/^[A-Za-z0-9._-]+$/, 'is not a host name')
        .default('gatepost'),
      {
        description: 'The host name given in the greeting and in the Received line.',
        example: 'mail.example.com',
      },
    ),
    Recipients: setting(z.array(z.string().regex(/^[^\s<>]+$/, 'is not an address or domain')).default([]), {
      description:
        'Recipients whose mail is accepted: addresses and whole domains. An empty list accepts every recipient.',
      example: ['support@example.com', 'example.org'],
    }),
    MaxMessageBytes: setting(
      z
        .int()
        .min(1024)
        .max(256 * 1024 * 1024)
        .default(30 * 1024 * 1024),
      {
        description: 'Largest mail that is accepted, bytes. Larger ones are rejected with 552 before they use memory.',
        example: 31_457_280,
      },
    ),
    MaxConnections: setting(z.int().min(1).max(1000).default(100), {
      description:
        'How many clients may be connected at once. Further ones get the reply to try again later. From four fifths on, clients that are silent for 10 seconds are disconnected.',
      example: 100,
    }),
    MaxConnectionsPerAddress: setting(z.int().min(1).max(1000).default(50), {
      description:
        'How many of them may come from one address (of IPv6: from one /64). Further ones get the reply to try again later.',
      example: 50,
    }),
    MaxConnectionsPerMinute: setting(z.int().min(0).max(1_000_000).default(1200), {
      description:
        'How many connections one address may open in a minute. Further ones get the reply to try again later. 0: no limit.',
      example: 1200,
    }),
    TrustedAddresses: setting(
      z.array(z.string().refine(isNetwork, 'is not an IP address or network')).default(['127.0.0.0/8', '::1']),
      {
        description:
          'Addresses and networks of your own mail servers: the two limits per address do not count for them, and wrong passwords delay their next login by 2 seconds at most instead of 5 minutes.',
        example: ['127.0.0.0/8', '192.0.2.10'],
      },
    ),
    MinBytesPerSecond: setting(z.int().min(0).max(1_000_000).default(500), {
      description:
        'Slowest rate at which a client may send a mail, bytes per second, counted after the first 5 minutes (10 seconds when nearly all connections are taken). Slower ones are disconnected. 0: no limit.',
      example: 500,
    }),
    MaxDataSeconds: setting(z.int().min(10).max(86_400).default(3600), {
      description: 'How long a client may take to send one mail, seconds. Then it is disconnected.',
      example: 3600,
    }),
    MaxQueuedBytes: setting(
      z
        .int()
        .min(1024)
        .max(1024 ** 4)
        .default(1024 ** 3),
      {
        description:
          'Bytes of all mails together that are being received or wait for the contact center; further ones get the reply to try again later. Two of the largest mails always fit. What is longer than 256 KB waits in the data folder, not in memory.',
        example: 1_073_741_824,
      },
    ),
    AckSeconds: setting(z.int().min(1).max(550).default(240), {
      description:
        'How long a client waits for the answer to its mail, at most; then the reply is to try again later. Keep it below the timeout of your clients, which is 10 minutes by the standard.',
      example: 240,
    }),
    Security: setting(z.enum(['None', 'StartTls', 'Tls']).default('None'), {
      description:
        'None: unencrypted. StartTls: clients may encrypt. Tls: encrypted from the first byte. The latter two need CertFile and KeyFile.',
      example: 'StartTls',
    }),
    CertFile: setting(z.string().min(1).optional(), {
      description: 'PEM file with the certificate and its chain. A relative path counts from the data folder.',
      example: '/etc/gatepost/mail.pem',
      path: 'certificate',
    }),
    KeyFile: setting(z.string().min(1).optional(), {
      description: 'PEM file with the private key of the certificate.',
      example: '/etc/gatepost/mail.key',
      path: 'certificate',
    }),
    User: setting(z.string().min(1).optional(), {
      description: 'Account that clients have to log in with. When absent no login is needed.',
      example: 'webshop',
    }),
    Password: setting(z.string().min(1).optional(), {
      description: 'Its password.',
      example: '${env:GATEPOST_SECRET_LISTENER}',
      secret: true,
    }),
    ...linkSettings,
  },
  ({ Security, CertFile, KeyFile, User, Password, Host }) => {
    const problems = [];
    if (Security !== 'None' && !CertFile)
      problems.push({ setting: 'CertFile', message: `is missing: Security ${Security} needs it` });
    if (Security !== 'None' && !KeyFile)
      problems.push({ setting: 'KeyFile', message: `is missing: Security ${Security} needs it` });
    if (User && !Password)
      problems.push({ setting: 'Password', message: 'is missing: User is given, so a password is needed' });
    if (Password && !User)
      problems.push({ setting: 'User', message: 'is missing: Password is given, so a user is needed' });
    if (User && Security === 'None' && !isLoopback(Host))
      problems.push({
        setting: 'Security',
        message: `must be StartTls or Tls: on ${Host} the password would cross the network unencrypted`,
      });
    return problems;
  },
);

type Parsed = Extract<ReturnType<typeof settings.parse>, { ok: true }>;
export type SmtpListenerSettings = Parsed['settings'];

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}
