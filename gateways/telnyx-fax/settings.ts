// Owns what an administrator may write in `TelnyxFax { ... }`.

import { type SettingProblem, setting, settingsSchema, z } from '../../src/driver/settings.js';
import { faxSettings } from '../../src/driver/shared/fax-settings.js';

/** A raw Ed25519 key has 32 bytes, 44 characters in base64. */
const PUBLIC_KEY = /^[A-Za-z0-9+/]{43}=$/;

const shape = {
  ApiKey: setting(z.string().trim().min(1, 'is empty'), {
    description: 'API key (v2) of the Telnyx account, from the page "API Keys" of its portal.',
    example: '${env:GATEPOST_SECRET_TELNYX}',
    secret: true,
  }),
  ConnectionId: setting(z.string().regex(/^[\w-]{1,64}$/, 'is not the ID of a fax application'), {
    description: 'ID of the fax application that faxes are sent with and that the number is assigned to.',
    example: '1293384261075731499',
  }),
  Number: setting(
    z
      .string()
      .trim()
      .regex(/^\+[1-9]\d{4,14}$/, 'is not a number with country code'),
    {
      description:
        'Fax number of the account, with country code: faxes to it are received, and faxes are sent from it.',
      example: '+13125790015',
    },
  ),
  PublicKey: setting(z.string().trim().regex(PUBLIC_KEY, 'is not an Ed25519 key of 32 bytes in base64').optional(), {
    description:
      'Public key of the account, from the page "Keys & Credentials" of its portal. Needed for Webhook: what is not signed with it is refused.',
    example: 'cDKn8jMBVzZYZ5sWf1vHxWfOkQxPfJZcPq0Hn8vXW0M=',
  }),
  Webhook: setting(z.boolean().default(false), {
    description:
      "True takes what Telnyx pushes to this gateway's public address: received faxes (enter the address in the fax application) and the progress of faxes that are sent (asked for with each).",
    example: true,
  }),
  PollSeconds: setting(z.int().min(1).max(3_600).default(60), {
    description:
      'Seconds between two looks for received faxes, up to 3600: how they are found without Webhook, and the safety net with it.',
    example: 30,
    only: 'in',
  }),
  Quality: setting(z.enum(['normal', 'high', 'very_high', 'ultra_light', 'ultra_dark']).optional(), {
    description:
      'How Telnyx turns a page into dots, by its own words: normal, high, very_high, ultra_light (for pictures) or ultra_dark (for text). When absent, Resolution decides: Standard is normal, Fine is high, Superfine is very_high.',
    example: 'ultra_dark',
    only: 'out',
  }),
  DocumentFolder: setting(z.string().min(1, 'is empty').optional(), {
    description:
      'Folder that a web server of yours shows to Telnyx: documents are put there while they are sent and taken away afterwards. Goes with DocumentUrl; when both are absent, documents are uploaded to Telnyx.',
    example: '/var/www/fax',
    only: 'out',
  }),
  DocumentUrl: setting(z.url({ protocol: /^https?$/, error: 'is not an http or https address' }).optional(), {
    description: 'Address at which Telnyx finds what is in DocumentFolder, without redirects.',
    example: 'https://files.example.com/fax',
    only: 'out',
  }),
  BaseUrl: setting(z.url({ protocol: /^https?$/, error: 'is not an http or https address' }).optional(), {
    description:
      'Address to use in place of https://api.telnyx.com/v2, for a proxy or a test server. The API key goes there and nowhere else.',
    example: 'https://telnyx-proxy.example.com/v2',
  }),
  ...faxSettings,
};

export const settings = settingsSchema(shape, rules);
export type Settings = z.output<z.ZodObject<typeof shape>>;

function rules({ Webhook, PublicKey, DocumentFolder, DocumentUrl }: Settings): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const say = (setting: string, message: string) => void problems.push({ setting, message });
  if (Webhook && !PublicKey) say('PublicKey', 'is missing: Webhook needs it, because Telnyx signs what it pushes');
  if (DocumentFolder && !DocumentUrl)
    say('DocumentUrl', 'is missing: say at which address Telnyx finds what is in DocumentFolder');
  if (DocumentUrl && !DocumentFolder)
    say('DocumentFolder', 'is missing: say in which folder documents have to be put to be found at DocumentUrl');
  return problems;
}
