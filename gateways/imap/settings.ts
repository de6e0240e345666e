import { type SettingProblem, setting, settingsSchema, z } from '../../src/driver/settings.js';
import { hostType, portProblem } from '../../src/driver/shared/host.js';
import { linkSettings } from '../../src/driver/shared/link-settings.js';
import { oauthSetting } from '../../src/driver/shared/oauth/settings.js';
import { accountProblems } from '../../src/driver/shared/oauth/sign-in.js';

const MIB = 1024 * 1024;
/** Bytes that are fetched of a mail over the limit: the header and the beginning of the text. */
export const CUT_BYTES = 256 * 1024;
const ISO_DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

const optionalText = () => z.string().trim().min(1, 'is empty').optional();

const shape = {
  Host: setting(hostType(), {
    description: 'Name or address of the IMAP server.',
    example: 'mail.example.com',
  }),
  Port: setting(z.int().min(1).max(65_535).optional(), {
    description: 'TCP port of the IMAP server. Without it: 993 with Security Tls, else 143.',
    example: 993,
  }),
  Security: setting(z.enum(['Tls', 'StartTls', 'None']).default('Tls'), {
    description:
      'How the connection is protected: Tls from the first byte, StartTls after the greeting, None not at all (password and mail are sent unencrypted).',
    example: 'StartTls',
  }),
  User: setting(z.string().min(1, 'is empty'), {
    description: 'User name of the mailbox, often its address.',
    example: 'support@example.com',
  }),
  Password: setting(z.string().min(1, 'is empty').optional(), {
    description: 'Password of the mailbox; many providers want an app password here. Not with OAuth2.',
    example: '${env:GATEPOST_SECRET_SUPPORT}',
    secret: true,
  }),
  OAuth2: oauthSetting(),
  Mailbox: setting(optionalText(), {
    description: 'With OAuth2: the mailbox to open when it is not that of User, such as a shared mailbox.',
    example: 'info@example.com',
  }),
  Folder: setting(z.string().trim().min(1, 'is empty').default('INBOX'), {
    description: 'Folder whose mails are received, with its whole path as the server names it.',
    example: 'INBOX/Support',
  }),
  AfterReceive: setting(z.enum(['Seen', 'Move', 'Delete', 'Keep']).default('Seen'), {
    description:
      'What happens to a mail once the contact center has acknowledged it: marked as read (Seen), moved to MoveTo (Move), deleted (Delete), or nothing (Keep).',
    example: 'Move',
  }),
  MoveTo: setting(optionalText(), {
    description: 'Existing folder for received mails; needed with AfterReceive Move.',
    example: 'Archive',
  }),
  RefuseTo: setting(optionalText(), {
    description:
      'Existing folder for mails whose message ended in quarantine. Without it they stay in Folder and are flagged (\\Flagged).',
    example: 'Refused',
  }),
  PollSeconds: setting(z.int().min(5).max(600).default(60), {
    description:
      'Seconds between two polls for new mail, 5 to 600. Where the server announces new mail (IDLE), the poll is only a safety net.',
    example: 30,
  }),
  Idle: setting(z.boolean().default(true), {
    description: 'Whether the server is asked to announce new mail at once (IDLE), where it can.',
    example: false,
  }),
  MaxMessageBytes: setting(
    z
      .int()
      .min(CUT_BYTES)
      .max(200 * MIB)
      .default(25 * MIB),
    {
      description:
        'Largest mail that is received whole, in bytes (256 KiB to 200 MiB). Of a larger mail the beginning is received with a note, and the original is never deleted.',
      example: 10 * MIB,
    },
  ),
  Since: setting(
    z.string().trim().refine(isSince, 'must be "Now", "All" or a date such as "2026-11-01"').default('Now'),
    {
      description:
        'Which mails are received at the very first start on a mailbox: those that come from then on (Now), all that are in the folder (All), or those with this ISO date or a later one. Afterwards this setting has no effect.',
      example: '2026-11-01',
    },
  ),
  TlsName: setting(optionalText(), {
    description: "Name that the server's certificate must carry, when it is not that of Host.",
    example: 'imap.provider.example',
  }),
  CaFile: setting(optionalText(), {
    description: 'PEM file with the certificate authority to trust; a relative path counts from the data folder.',
    example: 'company-ca.pem',
    path: 'certificate',
  }),
  AllowUntrustedCertificate: setting(z.boolean().default(false), {
    description:
      'True accepts any certificate, so password and mail can be read on the way; logged as a warning at every start. CaFile is the better way.',
    example: true,
  }),
  ...linkSettings,
};

export const settings = settingsSchema(shape, rules);
export type Settings = z.output<z.ZodObject<typeof shape>>;

export function portOf({ Port, Security }: Pick<Settings, 'Port' | 'Security'>): number {
  return Port ?? (Security === 'Tls' ? 993 : 143);
}

/** Mails received before this moment (ms) are skipped at the first start. */
export function sinceOf({ Since }: Pick<Settings, 'Since'>): number {
  if (Since.toLowerCase() === 'now') return Number.POSITIVE_INFINITY;
  if (Since.toLowerCase() === 'all') return Number.NEGATIVE_INFINITY;
  return new Date(Since).getTime();
}

function isSince(text: string): boolean {
  if (/^(now|all)$/i.test(text)) return true;
  return ISO_DATE.test(text) && !Number.isNaN(new Date(text).getTime());
}

function rules(given: Settings): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const addProblem = (name: string, message: string) => void problems.push({ setting: name, message });
  problems.push(...accountProblems(given));
  if (given.AfterReceive === 'Move' && !given.MoveTo)
    addProblem(
      'MoveTo',
      'is missing: AfterReceive "Move" needs the folder to move to, for example "MoveTo": "Archive"',
    );
  if (given.AfterReceive !== 'Move' && given.MoveTo)
    addProblem(
      'MoveTo',
      `has no effect with AfterReceive "${given.AfterReceive}": write "AfterReceive": "Move" or remove it`,
    );
  for (const name of ['MoveTo', 'RefuseTo'] as const)
    if (given[name] === given.Folder)
      addProblem(name, `is the folder that is being received ("${given.Folder}"): name another one`);
  const misfit = portProblem(given.Port, given.Security);
  if (misfit) addProblem('Security', misfit);
  if (given.Security === 'None')
    for (const name of ['TlsName', 'CaFile'] as const)
      if (given[name]) addProblem(name, 'has no effect with Security "None": use "Tls" or "StartTls", or remove it');
  return problems;
}
