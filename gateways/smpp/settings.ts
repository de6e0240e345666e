import { type SettingProblem, setting, settingsSchema, z } from '../../src/driver/settings.js';
import { hostType } from '../../src/driver/shared/host.js';
import { textProblems, textSettings } from '../../src/driver/shared/text-settings.js';
import { DEFAULT_ALPHABETS } from './receive/data-coding.js';

const ascii = (longest: number) =>
  z.string().regex(new RegExp(`^[\\x20-\\x7e]{0,${longest}}$`), `is not plain text of at most ${longest} characters`);
const ton = z.int().min(0).max(6).optional();
const npi = z.int().min(0).max(18).optional();

export const settings = settingsSchema(
  {
    Host: setting(hostType(), {
      description: 'Name or address of the SMSC.',
      example: 'smpp.carrier.example',
    }),
    Port: setting(z.int().min(1).max(65_535).default(2775), {
      description: 'TCP port of the SMSC. 2775 is usual, 3550 with TLS.',
      example: 2775,
    }),
    Tls: setting(z.boolean().default(false), {
      description: 'True: TLS from the first byte.',
      example: true,
    }),
    AllowUntrustedCertificate: setting(z.boolean().default(false), {
      description: 'With Tls: accepts any certificate, so the connection can be intercepted. For tests.',
      example: false,
    }),
    SystemId: setting(ascii(64).min(1), {
      description:
        'The account. An I and an O gateway with the same host, port, account and password share its connections.',
      example: 'support',
    }),
    Password: setting(ascii(64), {
      description: 'Password of the account; the standard allows 8 characters, some carriers more.',
      example: '${env:GATEPOST_SECRET_SMPP}',
      secret: true,
    }),
    SystemType: setting(ascii(12).default(''), {
      description: 'The system_type of the bind, for carriers that require one.',
      example: 'CMT',
    }),
    BindAs: setting(z.enum(['Auto', 'Transceiver', 'TransmitterReceiver']).default('Auto'), {
      description:
        'Transceiver: one connection for both directions. TransmitterReceiver: one connection for each. Auto: a transceiver, and where the SMSC rejects that, a transmitter and a receiver.',
      example: 'Auto',
    }),
    AddressRange: setting(ascii(40).default(''), {
      description:
        'The address_range of the bind: the numbers whose messages this account receives, for carriers that require it.',
      example: '^420123',
    }),
    EnquireLinkSeconds: setting(z.int().min(5).max(600).default(30), {
      description:
        'How often enquire_link is sent, seconds. A connection without a response is closed and opened again.',
      example: 30,
    }),
    SourceAddress: setting(ascii(20).min(1).optional(), {
      description:
        'Sender of outgoing messages: number, short code or name. When absent: the sender of the send request. Of several I gateways on one account, the one with this number gets the messages to it.',
      example: '12345',
    }),
    SourceTon: setting(ton, {
      description:
        'Type of number of the sender, 0 to 6. When absent: 1 for +numbers, 5 for names, 0 for everything else.',
      example: 3,
      only: 'out',
    }),
    SourceNpi: setting(npi, {
      description: 'Numbering plan of the sender, 0 to 18. When absent: 1 for numbers, 0 for names.',
      example: 0,
      only: 'out',
    }),
    DestTon: setting(ton, {
      description: 'Type of number of the recipient, 0 to 6. When absent: 1 for +numbers, 0 for short codes.',
      example: 1,
      only: 'out',
    }),
    DestNpi: setting(npi, {
      description: 'Numbering plan of the recipient, 0 to 18. When absent: 1.',
      example: 1,
      only: 'out',
    }),
    WindowSize: setting(z.int().min(1).max(1000).default(10), {
      description: 'How many parts may be sent without a response. Carriers name the number they allow.',
      example: 10,
      only: 'out',
    }),
    MaxPerSecond: setting(z.number().min(0.01).max(10_000).optional(), {
      description:
        'How many parts are sent in a second at most; each part of a long message counts. When absent: only the window limits.',
      example: 20,
      only: 'out',
    }),
    LongMessages: setting(z.enum(['Udh', 'Sar', 'Payload']).default('Udh'), {
      description:
        'How long messages are sent. Udh: parts with a user data header, understood everywhere. Sar: parts with optional parameters. Payload: whole, and the SMSC splits them.',
      example: 'Udh',
      only: 'out',
    }),
    Latin1: setting(z.boolean().default(false), {
      description:
        'True: a text that GSM 7-bit cannot encode is sent in Latin-1 where possible, 140 characters to a part instead of 70. Not every carrier accepts it.',
      example: true,
      only: 'out',
    }),
    Receipts: setting(z.boolean().default(true), {
      description: 'True: requests delivery receipts.',
      example: true,
      only: 'out',
    }),
    ReceiptIdFormat: setting(z.enum(['Auto', 'Decimal', 'Hex']).default('Auto'), {
      description:
        'How receipts write the id of submit_sm_resp. Decimal: hexadecimal in submit_sm_resp, decimal in receipts. Hex: the other way round. Auto: learned from the receipts.',
      example: 'Auto',
      only: 'out',
    }),
    OptedOutStatus: setting(z.array(z.int().min(1).max(0xffffffff)).min(1).max(20).optional(), {
      description:
        'Values of command_status that mean at this carrier that the recipient has opted out. The standard has none; vendors use 1024 to 1279, and carriers document them.',
      example: [1041],
      only: 'out',
    }),
    WhenUncertain: setting(z.enum(['Hold', 'Resend', 'AssumeSent']).default('Hold'), {
      description:
        'What happens when the SMSC did not say whether it accepted a message. Hold: an operator decides. Resend: it is sent again, and may arrive twice. AssumeSent: it counts as sent.',
      example: 'Hold',
      only: 'out',
    }),
    DefaultAlphabet: setting(z.enum(DEFAULT_ALPHABETS).default('Gsm'), {
      description:
        'What the carrier means by data_coding 0, the default alphabet of the SMSC, in both directions. Gsm: GSM 03.38, one character to an octet; texts with national shift tables are read by their headers. With another value, texts go out in this alphabet where it has one octet for each of their characters, else in UCS-2.',
      example: 'Latin1',
    }),
    ReceiptsWithoutFlag: setting(z.boolean().default(true), {
      description:
        'True: a text without the flag of a receipt is one all the same when it has the form of a receipt and names a message that was sent to the number it comes from. Every other text goes to the contact center.',
      example: false,
      only: 'out',
    }),
    PartsTimeoutSeconds: setting(z.int().min(10).max(604_800).default(3_600), {
      description:
        'How long Gatepost waits for the missing parts of a received long message, seconds; then it hands the message over with the gaps marked.',
      example: 3600,
      only: 'in',
    }),
    ...textSettings,
  },
  (all) => {
    const problems: SettingProblem[] = textProblems(all);
    if (all.AllowUntrustedCertificate && !all.Tls)
      problems.push({ setting: 'AllowUntrustedCertificate', message: 'has no meaning without "Tls": true' });
    return problems;
  },
);

type Parsed = Extract<ReturnType<typeof settings.parse>, { ok: true }>;
export type SmppSettings = Parsed['settings'];
