import { type SettingProblem, setting, settingsSchema, z } from '../../src/driver/settings.js';
import { faxSettings } from '../../src/driver/shared/fax-settings.js';
import { linkSettings } from '../../src/driver/shared/link-settings.js';

/** A raw Ed25519 key has 32 bytes, 44 characters in base64. */
const PUBLIC_KEY = /^[A-Za-z0-9+/]{43}=$/;

const shape = {
  ApiKey: setting(z.string().trim().min(1, 'is empty'), {
    description: 'API key (v2) of the Telnyx account, from the page "API Keys" of its portal.',
    example: '${env:GATEPOST_SECRET_TELNYX}',
    secret: true,
  }),
  ConnectionId: setting(z.string().regex(/^[\w-]{1,64}$/, 'is not the ID of a fax application'), {
    description: 'ID of the fax application that has the number and sends the faxes.',
    example: '1293384261075731499',
  }),
  Number: setting(
    z
      .string()
      .trim()
      .regex(/^\+[1-9]\d{4,14}$/, 'is not a number with country code'),
    {
      description:
        'Fax number of the account, with country code. Faxes to this number are received, and faxes are sent from it.',
      example: '+13125790015',
    },
  ),
  PublicKey: setting(z.string().trim().regex(PUBLIC_KEY, 'is not an Ed25519 key of 32 bytes in base64').optional(), {
    description:
      'Public key of the account, from the page "Keys & Credentials" of its portal. Needed for Webhook: requests without a signature of this key are rejected.',
    example: 'cDKn8jMBVzZYZ5sWf1vHxWfOkQxPfJZcPq0Hn8vXW0M=',
  }),
  Webhook: setting(z.boolean().default(false), {
    description:
      "True accepts the requests of Telnyx at this gateway's public address: received faxes (enter the address in the fax application) and the progress of sent faxes (Telnyx gets the address with every fax).",
    example: true,
  }),
  PollSeconds: setting(z.int().min(1).max(3_600).default(60), {
    description:
      'Seconds between two polls for received faxes, up to 3600. With Webhook the polls are only a safety net.',
    example: 30,
    only: 'in',
  }),
  Quality: setting(z.enum(['normal', 'high', 'very_high', 'ultra_light', 'ultra_dark']).optional(), {
    description:
      'How Telnyx converts pages, in its own terms: normal, high, very_high, ultra_light (for pictures) or ultra_dark (for text). When absent, Resolution decides: Standard is normal, Fine is high, Superfine is very_high.',
    example: 'ultra_dark',
    only: 'out',
  }),
  DocumentFolder: setting(z.string().min(1, 'is empty').optional(), {
    description:
      'Folder that your own web server publishes for Telnyx. Gatepost writes each document there for the time of its transmission and deletes it afterwards. Needs DocumentUrl. When both are absent, documents are uploaded to Telnyx.',
    example: '/var/www/fax',
    path: 'document',
    only: 'out',
  }),
  DocumentUrl: setting(z.url({ protocol: /^https?$/, error: 'is not an http or https address' }).optional(), {
    description: 'Address at which your web server publishes DocumentFolder. Telnyx follows no redirects.',
    example: 'https://files.example.com/fax',
    only: 'out',
  }),
  BaseUrl: setting(z.url({ protocol: /^https?$/, error: 'is not an http or https address' }).optional(), {
    description: 'Address that replaces https://api.telnyx.com/v2, for a proxy or a test server. It gets the API key.',
    example: 'https://telnyx-proxy.example.com/v2',
  }),
  ...faxSettings,
  ...linkSettings,
};

export const settings = settingsSchema(shape, rules);
export type Settings = z.output<z.ZodObject<typeof shape>>;

function rules({ Webhook, PublicKey, DocumentFolder, DocumentUrl }: Settings): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const addProblem = (setting: string, message: string) => void problems.push({ setting, message });
  if (Webhook && !PublicKey)
    addProblem('PublicKey', 'is missing: Webhook needs it, because Telnyx signs what it pushes');
  if (DocumentFolder && !DocumentUrl)
    addProblem('DocumentUrl', 'is missing: set the address at which your web server publishes DocumentFolder');
  if (DocumentUrl && !DocumentFolder)
    addProblem('DocumentFolder', 'is missing: set the folder that your web server publishes at DocumentUrl');
  return problems;
}
