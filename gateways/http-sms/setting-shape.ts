import { setting, z } from '../../src/driver/settings.js';
import { linkSettings } from '../../src/driver/shared/link-settings.js';
import { textSettings } from '../../src/driver/shared/text-settings.js';
import { authenticate, match, receiptFrom, receiveFrom, replyWith } from './schemas.js';
import { answerPath } from './value-path.js';

const strings = (what: string) => z.record(z.string(), z.string(), { error: `is an object of ${what}` });

export const shape = {
  SendUrl: setting(
    z
      .string()
      .regex(/^https?:\/\/[^/?#{}@\s]+(?:[/?][^\s#]*)?$/i, 'is not an http or https address without login and fragment')
      .refine((url) => URL.canParse(url.replace(/[{}]/g, '')), 'is not an address that can be reached')
      .optional(),
    {
      description:
        'Address to which a message is sent; placeholders are possible after the host name. Redirects are not followed. Mandatory for direction O.',
      example: 'https://sms.example.com/v1/messages',
      only: 'out',
    },
  ),
  Method: setting(z.enum(['GET', 'POST', 'PUT']).default('POST'), {
    description: 'HTTP method of a send.',
    example: 'GET',
    only: 'out',
  }),
  Headers: setting(strings('header names and their values').optional(), {
    description: 'Headers of a send: name and value; placeholders are possible.',
    example: { 'X-Api-Key': '{token}', 'Idempotency-Key': '{reference}' },
    only: 'out',
  }),
  BodyTemplate: setting(
    z.union([z.string().min(1), z.record(z.string(), z.json())], { error: 'is a JSON object or a text' }).optional(),
    {
      description:
        'Body of a send: a JSON object with placeholders in its texts, or a text whose placeholders are escaped as the Content-Type in Headers (JSON, XML, form) wants it.',
      example: { to: '{to}', from: '{from}', text: '{text}' },
      only: 'out',
    },
  ),
  FormTemplate: setting(strings('field names and their values').optional(), {
    description:
      'Fields of a send, instead of BodyTemplate: in the address with Method GET, else as a form in the body.',
    example: { to: '{to}', text: '{text}' },
    only: 'out',
  }),
  EncodingWords: setting(z.strictObject({ 'GSM-7': z.string(), 'UCS-2': z.string() }).optional(), {
    description: 'Values of the placeholder {encoding}. When absent: GSM-7 and UCS-2.',
    example: { 'GSM-7': '0', 'UCS-2': '2' },
    only: 'out',
  }),
  From: setting(z.string().min(1).max(20).optional(), {
    description:
      'Sender of outgoing messages: number, short code or name. When absent: the sender in the send request. Also the recipient of pushed messages that name none.',
    example: '+420777123456',
  }),
  SuccessWhen: setting(match.optional(), {
    description:
      'When an answer means that the gateway accepted the message: all of Status (list), Text (beginning, or list of them) and Json (path and value, or list of values) that are given. When absent: status 200 to 299.',
    example: { Status: [200, 202], Json: { 'messages.0.status': ['accepted', 'queued'] } },
    only: 'out',
  }),
  DeferWhen: setting(match.optional(), {
    description:
      'When an answer means that another attempt may succeed: any of Status, Text and Json that are given. When absent: status 401, 407, 408, 425, 429 and 5xx but 502 and 504, after which the gateway may have accepted the message.',
    example: { Status: [429, 503], Text: '4: ' },
    only: 'out',
  }),
  OptedOutWhen: setting(match.optional(), {
    description:
      'When a negative answer means that the recipient has opted out: any of Status, Text and Json that are given.',
    example: { Json: { 'error.code': 'recipient_opted_out' } },
    only: 'out',
  }),
  IdFrom: setting(answerPath.optional(), {
    description:
      'Where the answer to a send holds the id of the message: "json:PATH", "header:NAME", or text between After and Before. When absent: the message is known by {reference}.',
    example: 'json:messages.0.id',
    only: 'out',
  }),
  ErrorFrom: setting(answerPath.optional(), {
    description: 'Where a negative answer holds its reason, as in IdFrom. When absent: the beginning of the answer.',
    example: 'json:error.message',
    only: 'out',
  }),
  User: setting(z.string().min(1).optional(), {
    description: 'Account for sends: for HTTP basic authentication, or for {user} in a template.',
    example: 'gatepost',
    only: 'out',
  }),
  Password: setting(z.string().min(1).optional(), {
    description: 'Password of the account: for HTTP basic authentication, or for {password} in a template.',
    example: '${env:GATEPOST_SECRET_SMS}',
    secret: true,
    only: 'out',
  }),
  Token: setting(z.string().min(1).optional(), {
    description: 'Key for sends: as a bearer token, or for {token} in a template.',
    example: '${env:GATEPOST_SECRET_SMS_TOKEN}',
    secret: true,
    only: 'out',
  }),
  CaFile: setting(z.string().min(1).optional(), {
    description:
      'PEM file with the certificate authority to trust in place of the public ones; a relative path counts from the data folder.',
    example: 'company-ca.pem',
    path: 'certificate',
    only: 'out',
  }),
  TimeoutSeconds: setting(z.number().min(1).max(80).default(30), {
    description: 'How long to wait for an answer; without one in time the outcome is unknown (1 to 80).',
    example: 10,
    only: 'out',
  }),
  MaxPerSecond: setting(z.number().positive().max(1000).optional(), {
    description: 'How many sends may start per second. Less than 1 is possible: 0.2 is one in 5 seconds.',
    example: 10,
    only: 'out',
  }),
  MaxConnections: setting(z.int().min(1).max(50).default(5), {
    description: 'How many sends may run at once (1 to 50).',
    example: 5,
    only: 'out',
  }),
  WhenUncertain: setting(z.enum(['Hold', 'Resend', 'AssumeSent']).default('Hold'), {
    description:
      'What to do when a message was sent to the gateway and no answer came. Hold: an operator decides. Resend: sends again, which may deliver it twice unless the gateway recognizes {reference}. AssumeSent: counts it as sent.',
    example: 'Hold',
    only: 'out',
  }),
  ReceiveFrom: setting(receiveFrom.optional(), {
    description:
      'Where a pushed message holds From, To, Text, Id, Time and Media: "query:NAME", "form:NAME", "json:PATH" or "header:NAME"; Charset, when it names the encoding of Text; Method, when only one is right; List, when one push holds several. Mandatory for direction I.',
    example: { From: 'json:from', To: 'json:to', Text: 'json:text', Id: 'json:id' },
    only: 'in',
  }),
  ReceiptFrom: setting(receiptFrom.optional(), {
    description:
      'Where a pushed delivery receipt holds Id, State, Detail and Time, and what the words of State mean (States).',
    example: { Id: 'json:id', State: 'json:status', States: { DELIVERED: 'delivered', FAILED: 'undelivered' } },
  }),
  Authenticate: setting(authenticate.optional(), {
    description:
      'How a push proves that it is genuine, by Secret: Kind "Secret" in a Header or Query parameter, "Basic" with User, or "Hmac" in a Header over the body. With Timestamp, the header of a signed time, a signature is good for ToleranceSeconds (86400, a day: a sender that repeats a push with its first time must not be refused), and Signed says what it covers: "{timestamp}.{body}", with {url} and {gateway} where the sender signs them. Mandatory with ReceiveFrom and ReceiptFrom.',
    example: { Kind: 'Hmac', Header: 'X-Signature', Algorithm: 'sha256', Encoding: 'hex' },
  }),
  Secret: setting(z.string().min(8, 'is shorter than 8 characters').optional(), {
    description:
      'The shared secret of Authenticate: parameter, password or key of the signature; at least 8 characters.',
    example: '${env:GATEPOST_SECRET_SMS_PUSH}',
    secret: true,
  }),
  MediaHosts: setting(
    z
      .array(z.string().regex(/^[^\s/]+$/, 'is not a host name'))
      .max(20)
      .optional(),
    {
      description:
        'Host names from which pictures of pushed messages may be fetched; pictures at other hosts are only mentioned.',
      example: ['media.sms.example.com'],
      only: 'in',
    },
  ),
  ReplyWith: setting(replyWith.default({ Status: 200, Body: '', ContentType: 'text/plain; charset=utf-8' }), {
    description: 'The answer to a push after the message is in the journal: Status (200 to 299), Body, ContentType.',
    example: { Status: 200, Body: '{"ok":true}', ContentType: 'application/json' },
  }),
  ...textSettings,
  ...linkSettings,
};

export type HttpSmsSettings = z.output<z.ZodObject<typeof shape>>;
