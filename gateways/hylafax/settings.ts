import { setting, settingsSchema, z } from '../../src/driver/settings.js';
import { faxSettings } from '../../src/driver/shared/fax-settings.js';
import { hostType } from '../../src/driver/shared/host.js';
import { linkSettings } from '../../src/driver/shared/link-settings.js';

const ISO_DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** A line end would end the command that contains the value. */
const word = () =>
  z
    .string()
    .trim()
    .min(1, 'is empty')
    .max(200)
    .regex(/^\P{Cc}+$/u, 'has control characters in it');

const { StationId, Resolution, PageSize, CoverPage, Header, Region, AnswerWhen, ReportTo } = faxSettings;

const shape = {
  Host: setting(hostType(), { description: 'Name or address of the HylaFAX server.', example: 'fax.example.com' }),
  Port: setting(z.int().min(1).max(65_535).default(4559), {
    description: 'TCP port of the server for clients (hfaxd).',
    example: 4559,
  }),
  User: setting(word(), {
    description: 'User name, as in the file hosts.hfaxd of the server.',
    example: 'gatepost',
  }),
  Password: setting(word().optional(), {
    description: 'Password of the user. Leave it out when the server asks for none.',
    example: '${env:GATEPOST_SECRET_FAX}',
    secret: true,
  }),
  AdminPassword: setting(word().optional(), {
    description:
      'Password for administrator rights. Receiving needs them where RecvFileMode is 0600, the default of HylaFAX, because only administrators see such faxes. AfterReceive Delete always needs them. On most servers the log of calls needs them, too; it names the modem of a received fax and the reason of an interruption.',
    example: '${env:GATEPOST_SECRET_FAX_ADMIN}',
    secret: true,
  }),
  Modem: setting(word().optional(), {
    description:
      'Modem to use, by its HylaFAX name; for sending also a class of modems. Only faxes of this modem are received. When absent: all modems.',
    example: 'ttyS0',
  }),
  PollSeconds: setting(z.int().min(1).max(600).default(15), {
    description:
      'Seconds between two listings of the queues, 1 to 600. Where the server announces changes, the listings are only a safety net.',
    example: 30,
  }),
  AfterReceive: setting(z.enum(['Keep', 'Delete']).default('Keep'), {
    description:
      'What happens to a received fax on the server once the contact center has acknowledged it: nothing (Keep), or it is deleted (Delete).',
    example: 'Delete',
    only: 'in',
  }),
  Since: setting(
    z.string().trim().refine(isSince, 'must be "Now", "All" or a date such as "2026-11-01"').default('Now'),
    {
      description:
        'Which faxes are received at the very first start on a server: those that come from then on (Now), all that are there (All), or those received at this ISO date or later. Afterwards this setting has no effect.',
      example: '2026-11-01',
      only: 'in',
    },
  ),
  CalledNumberAt: setting(z.int().min(3).max(10).optional(), {
    description:
      'Line of the caller identification (CallIDPattern in the configuration of the modem) that holds the called number, 3 to 10. When absent: the last line after number and name that is a number.',
    example: 4,
    only: 'in',
  }),
  MaxDials: setting(z.int().min(1).max(100).default(12), {
    description: 'Number of dials after which the fax has failed, 1 to 100.',
    example: 3,
    only: 'out',
  }),
  MaxTries: setting(z.int().min(1).max(100).default(3), {
    description: 'Number of answered but failed calls after which the fax has failed, 1 to 100.',
    example: 2,
    only: 'out',
  }),
  GiveUpMinutes: setting(z.int().min(1).max(10_080).default(180), {
    description: 'Minutes after which HylaFAX gives up an unsent fax, 1 to 10080 (a week).',
    example: 60,
    only: 'out',
  }),
  ...{ StationId, Header, PageSize, Resolution, CoverPage, AnswerWhen, ReportTo, Region },
  ...linkSettings,
};

export const settings = settingsSchema(shape);
export type Settings = z.output<z.ZodObject<typeof shape>>;

/** Faxes received before this moment (ms) are left alone at the first start. */
export function sinceOf({ Since }: Pick<Settings, 'Since'>): number {
  if (Since.toLowerCase() === 'now') return Number.POSITIVE_INFINITY;
  if (Since.toLowerCase() === 'all') return Number.NEGATIVE_INFINITY;
  return new Date(Since).getTime();
}

function isSince(text: string): boolean {
  if (/^(now|all)$/i.test(text)) return true;
  return ISO_DATE.test(text) && !Number.isNaN(new Date(text).getTime());
}

/** HylaFAX's own name of a device: without `/dev/`, other slashes as underscores. */
export function modemName(written: string): string {
  return written.replace(/^\/dev\//, '').replaceAll('/', '_');
}
