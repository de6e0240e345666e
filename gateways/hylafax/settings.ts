// Owns what an administrator may write in `HylaFax { ... }`.

import { setting, settingsSchema, z } from '../../src/driver/settings.js';
import { faxSettings } from '../../src/driver/shared/fax-settings.js';

const ISO_DATE = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** Goes into a line of the protocol. */
const word = () =>
  z
    .string()
    .trim()
    .min(1, 'is empty')
    .max(200)
    .regex(/^\P{Cc}+$/u, 'has control characters in it');

const { StationId, Resolution, PageSize, CoverPage, Header, Region, AnswerWhen, ReportTo } = faxSettings;

const shape = {
  Host: setting(word(), { description: 'Name or address of the HylaFAX server.', example: 'fax.example.com' }),
  Port: setting(z.int().min(1).max(65_535).default(4559), {
    description: 'Its TCP port for clients (hfaxd).',
    example: 4559,
  }),
  User: setting(word(), {
    description: 'User name, as in the file hosts.hfaxd of the server.',
    example: 'gatepost',
  }),
  Password: setting(word().optional(), {
    description: 'Password of the user; absent where the server asks for none.',
    example: '${env:GATEPOST_SECRET_FAX}',
    secret: true,
  }),
  AdminPassword: setting(word().optional(), {
    description:
      "Password for administrator rights. Receiving needs them where RecvFileMode is 0600, which is HylaFAX's own default: others do not see such faxes. AfterReceive Delete needs them everywhere, and most servers for the log that says which modem received a fax and why a reception broke off.",
    example: '${env:GATEPOST_SECRET_FAX_ADMIN}',
    secret: true,
  }),
  Modem: setting(word().optional(), {
    description:
      'Modem (or, for sending, class of modems) to use, as HylaFAX calls it: only its faxes are received, only by it is sent. When absent: all of them.',
    example: 'ttyS0',
  }),
  PollSeconds: setting(z.int().min(1).max(600).default(15), {
    description:
      'Seconds between two looks at the queues, 1 to 600: the way changes are found where the server cannot announce them, and the safety net where it can.',
    example: 30,
  }),
  AfterReceive: setting(z.enum(['Keep', 'Delete']).default('Keep'), {
    description:
      'What happens to a received fax on the server once the contact center has taken it: nothing (Keep), or it is deleted (Delete).',
    example: 'Delete',
    only: 'in',
  }),
  Since: setting(
    z.string().trim().refine(isSince, 'must be "Now", "All" or a date such as "2026-11-01"').default('Now'),
    {
      description:
        'Which faxes count at the very first start on a server: only those that come from now on (Now), all that are there (All), or those received at this ISO date or later. Afterwards it has no effect.',
      example: '2026-11-01',
      only: 'in',
    },
  ),
  CalledNumberAt: setting(z.int().min(3).max(10).optional(), {
    description:
      'Which line of the caller identification (CallIDPattern in the configuration of the modem) holds the called number, 3 to 10. When absent: the last one after number and name that is a number.',
    example: 4,
    only: 'in',
  }),
  MaxDials: setting(z.int().min(1).max(100).default(12), {
    description: 'How often a number is dialled at most before the fax has failed, 1 to 100.',
    example: 3,
    only: 'out',
  }),
  MaxTries: setting(z.int().min(1).max(100).default(3), {
    description: 'How many calls that were answered may fail before the fax has failed, 1 to 100.',
    example: 2,
    only: 'out',
  }),
  GiveUpMinutes: setting(z.int().min(1).max(10_080).default(180), {
    description: 'Minutes after which HylaFAX gives a fax up that it could not send, 1 to 10080 (a week).',
    example: 60,
    only: 'out',
  }),
  ...{ StationId, Header, PageSize, Resolution, CoverPage, AnswerWhen, ReportTo, Region },
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
