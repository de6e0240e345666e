import { type SettingProblem, setting, settingsSchema, z } from '../../src/driver/settings.js';
import { linkSettings } from '../../src/driver/shared/link-settings.js';
import { textProblems, textSettings } from '../../src/driver/shared/text-settings.js';

/** Number with country code, short code, or a word of up to 11 characters (which can only send). */
const SENDER = /^(?:\+[1-9]\d{4,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 &+_-]{1,11})$/;

const shape = {
  AccountSid: setting(z.string().regex(/^AC\w{1,60}$/, 'is not the SID of an account, which begins with AC'), {
    description: 'SID of the Twilio account, from the first page of the Twilio console.',
    example: 'AC5ef8732a3c49700934481addd5ce1659',
  }),
  AuthToken: setting(z.string().min(1, 'is empty').optional(), {
    description:
      'Auth token of the account. Used for the API when ApiKey is absent, and always needed for Webhook, because Twilio signs its requests with it.',
    example: '${env:GATEPOST_SECRET_TWILIO}',
    secret: true,
  }),
  ApiKey: setting(
    z
      .string()
      .regex(/^SK\w{1,60}$/, 'is not the SID of an API key, which begins with SK')
      .optional(),
    {
      description: 'SID of an API key to use instead of the auth token. Needs ApiSecret.',
      example: 'SK2a0747eba6abf96b7e3c3ff0b4530f6e',
    },
  ),
  ApiSecret: setting(z.string().min(1, 'is empty').optional(), {
    description: 'Secret of the API key.',
    example: '${env:GATEPOST_SECRET_TWILIO_KEY}',
    secret: true,
  }),
  Number: setting(
    z.string().trim().regex(SENDER, 'is not a number with country code, short code or sender name').optional(),
    {
      description:
        'Number or short code of the account that receives and sends the messages. A gateway that only sends may have a sender name instead (up to 11 letters and digits). Set this or MessagingServiceSid.',
      example: '+420601123456',
    },
  ),
  MessagingServiceSid: setting(
    z
      .string()
      .regex(/^MG\w{1,60}$/, 'is not the SID of a messaging service, which begins with MG')
      .optional(),
    {
      description:
        'SID of a messaging service. Twilio chooses one of its senders, and messages to any of its numbers are received. Set this or Number.',
      example: 'MG9752274e9e519418a7406176694466fa',
    },
  ),
  PollSeconds: setting(z.int().min(0).max(3_600).default(30), {
    description:
      'Seconds between two polls for new messages, up to 3600. With Webhook the polls are only a safety net. 0 switches polling off and needs Webhook.',
    example: 60,
    only: 'in',
  }),
  Webhook: setting(z.boolean().default(false), {
    description:
      "True accepts the requests of Twilio at this gateway's public address: new messages (enter the address in the Twilio console) and delivery states (Twilio gets the address with every message).",
    example: true,
  }),
  AwaitDeliverySeconds: setting(z.int().min(0).max(60).default(20), {
    description:
      'How long a send waits for the delivery state of its message, seconds, 0 to 60. A message that is undelivered within this time is answered with an error; later states are in the delivery log.',
    example: 10,
    only: 'out',
  }),
  BaseUrl: setting(z.url({ protocol: /^https?$/, error: 'is not an http or https address' }).optional(), {
    description:
      'Address that replaces https://api.twilio.com and all other hosts of Twilio, for a proxy or a test server. It gets the credentials.',
    example: 'https://twilio-proxy.example.com',
  }),
  ...textSettings,
  ...linkSettings,
};

export const settings = settingsSchema(shape, rules);
export type Settings = z.output<z.ZodObject<typeof shape>>;

/** True for a sender name, which customers cannot answer. */
export function isWord(sender: string): boolean {
  return !/^\+?\d+$/.test(sender);
}

function rules(given: Settings): SettingProblem[] {
  return [...credentials(given), ...addresses(given), ...textProblems(given)];
}

function credentials({ AuthToken, ApiKey, ApiSecret, Webhook }: Settings): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const addProblem = (setting: string, message: string) => void problems.push({ setting, message });
  if (ApiKey && !ApiSecret) addProblem('ApiSecret', 'is missing: an ApiKey goes with its ApiSecret');
  if (ApiSecret && !ApiKey) addProblem('ApiKey', 'is missing: an ApiSecret goes with its ApiKey');
  if (!AuthToken && !ApiKey && !ApiSecret)
    addProblem('AuthToken', 'is missing: give the AuthToken of the account, or an ApiKey with its ApiSecret');
  else if (Webhook && !AuthToken)
    addProblem('AuthToken', 'is missing: Webhook needs it, because Twilio signs what it pushes with the auth token');
  return problems;
}

function addresses({ Number: number, MessagingServiceSid, PollSeconds, Webhook }: Settings): SettingProblem[] {
  const problems: SettingProblem[] = [];
  if (!number && !MessagingServiceSid)
    problems.push({
      setting: 'Number',
      message: 'is missing: give the number of the account to use, or a MessagingServiceSid',
    });
  if (number && MessagingServiceSid)
    problems.push({ setting: 'MessagingServiceSid', message: 'is given besides Number: keep one of them' });
  if (PollSeconds === 0 && !Webhook)
    problems.push({
      setting: 'PollSeconds',
      message: 'is 0 without Webhook, so nothing would ever be received: write "Webhook": true or a number of seconds',
    });
  return problems;
}
