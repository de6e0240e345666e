// Owns the settings of FaxMail, which hold those of a mailbox and of a mail server, and what they come to together with
// what is known of the provider.
import type { Driver } from '../../src/driver/contract.js';
import {
  isRecord,
  type Nestable,
  nested,
  type SettingMeta,
  type SettingProblem,
  setting,
  settingsSchema,
  z,
} from '../../src/driver/settings.js';
import { faxSettings } from '../../src/driver/shared/fax-settings.js';
import { templateProblem } from './address.js';
import { headerTemplate } from './extract.js';
import { NUMBER_FORMATS, type NumberFormat, PROVIDER_NAMES, providers, type Rules } from './providers.js';
import { parseTemplate } from './template.js';

/** The mail drivers it is built on; absent ones are not installed, and then their direction cannot be used. */
export interface MailDrivers {
  readonly mailbox?: Driver | undefined;
  readonly relay?: Driver | undefined;
}

const MOST_TEMPLATES = 50;

const checkTemplate =
  (prefixed: (text: string) => string) =>
  (text: string, { addIssue }: z.RefinementCtx) => {
    const parsed = parseTemplate(prefixed(text));
    if (!parsed.ok) addIssue({ code: 'custom', message: `${JSON.stringify(text)} ${parsed.problem}` });
  };
const template = z
  .string()
  .max(200)
  .superRefine(checkTemplate((text) => text));
const templates = z.array(template).max(MOST_TEMPLATES).optional();
const words = z.array(z.string().trim().min(3).max(200)).max(MOST_TEMPLATES);
const headerName = z.string().regex(/^[A-Za-z0-9-]{1,76}$/, 'is not a header name');
const headerRule = z.string().max(200).superRefine(checkTemplate(headerTemplate));

const ruleSet = z.strictObject({
  Subject: templates,
  Text: templates,
  Headers: z.record(headerName, headerRule).optional(),
  Problem: words.optional(),
});

const shape = {
  Provider: setting(z.enum(PROVIDER_NAMES, `must be one of ${PROVIDER_NAMES.join(', ')}`).optional(), {
    description:
      'Fax service whose address and mails are known here; the settings below win over what is known. When absent, AddressTemplate and Rules say it all.',
    example: 'eFax',
  }),
  AddressTemplate: setting(
    z
      .string()
      .trim()
      .superRefine((text, { addIssue }) => {
        const problem = templateProblem(text);
        if (problem) addIssue({ code: 'custom', message: problem });
      })
      .optional(),
    {
      description: 'Address to which a fax is sent, {number} standing for the number. When absent: that of Provider.',
      example: '{number}@fax.example.com',
      only: 'out',
    },
  ),
  NumberFormat: setting(z.enum(NUMBER_FORMATS, `must be one of ${NUMBER_FORMATS.join(', ')}`).optional(), {
    description:
      'How the provider wants an international number: E164 +420777123456, Digits 420777123456, 00 00420777123456, 011 011420777123456. When absent: as Provider wants it, else E164.',
    example: 'Digits',
    only: 'out',
  }),
  Subject: setting(z.string().max(200).optional(), {
    description:
      'Subject of the mails: {subject} is that of the message, {number}, {station}, {pages}, {reference} and {password} are possible. When absent: as Provider wants it, else {subject}.',
    example: '{subject} [{reference}]',
    only: 'out',
  }),
  Body: setting(z.string().max(4_000).optional(), {
    description:
      'Text of the mails, where a provider takes commands or a password in it; placeholders as in Subject but {subject}, other words in braces stay. When absent: as Provider wants it, else none.',
    example: 'PASSWORD:{password}',
    only: 'out',
  }),
  Password: setting(z.string().min(1).optional(), {
    description: 'What {password} stands for in Subject and Body, for providers that want one in the mail.',
    example: '${env:GATEPOST_SECRET_FAX_PIN}',
    secret: true,
    only: 'out',
  }),
  Document: setting(z.enum(['Pdf', 'Tiff']).default('Pdf'), {
    description: 'How the pages are attached: Pdf, or Tiff (G4) where this machine can make one.',
    example: 'Tiff',
    only: 'out',
  }),
  WhenUncertain: setting(z.enum(['Hold', 'Resend', 'AssumeSent']).default('Hold'), {
    description:
      "What to do when the connection broke after the whole mail was handed over. Hold: a person decides, or the provider's result does. Resend: again, and a provider may fax it twice. AssumeSent: count it as sent.",
    example: 'AssumeSent',
    only: 'out',
  }),
  Results: setting(z.strictObject({ Delivered: words.default([]), Failed: words.default([]) }).optional(), {
    description:
      "Words in the subject or text of the provider's mails about sent faxes that say that the fax arrived, or that it did not; the longest one found decides.",
    example: { Delivered: ['was sent successfully'], Failed: ['could not be sent'] },
    only: 'in',
  }),
  Rules: setting(ruleSet.optional(), {
    description:
      'Where the mails of received faxes hold what: templates for Subject, for lines of the Text and by header, with {from}, {to}, {station}, {name}, {pages}, {expected}, {id}, {*} and {Word} for a fact to show; Problem holds words that say that pages are missing. They go before those of Provider.',
    example: { Subject: ['New fax from {from}'], Text: ['Pages: {pages}'], Headers: { 'X-Fax-Id': '{id}' } },
    only: 'in',
  }),
  Senders: setting(
    z
      .array(
        z.string().regex(/^(?:[^\s@<>]+)?@[^\s@<>]+$/, 'is neither an address nor a domain such as "@fax.example.com"'),
      )
      .max(50)
      .optional(),
    {
      description:
        'Addresses and domains (@fax.example.com) whose mails are believed what they say of number and station. When absent: everybody.',
      example: ['@inbound.efax.com'],
      only: 'in',
    },
  ),
  ...faxSettings,
};

/** Settings that mean something else here than in the devices they belong to. */
const NOT_IN_MAILBOX = {};
const NOT_IN_RELAY = { WhenUncertain: 'has no place here: write WhenUncertain outside, beside Relay' };

export function settingsFor(drivers: MailDrivers) {
  const Mailbox = part(drivers.mailbox, 'ImapHost', NOT_IN_MAILBOX, {
    description: 'Mailbox into which the provider puts received faxes and results. Mandatory for direction I.',
    example: { Host: 'imap.example.com', User: 'fax@example.com', Password: '${env:GATEPOST_SECRET_FAX}' },
  });
  const Relay = part(drivers.relay, 'SmtpHost', NOT_IN_RELAY, {
    description:
      'Mail server through which faxes go to the provider; its From is the address that the provider knows. Mandatory for direction O.',
    example: {
      Host: 'smtp.example.com',
      User: 'fax@example.com',
      Password: '${env:GATEPOST_SECRET_FAX}',
      From: 'fax@example.com',
    },
  });
  const { Provider, ...others } = shape;
  return settingsSchema({ Provider, Mailbox, Relay, ...others }, (given) => rules(given, drivers));
}

function part(
  driver: Nestable<unknown> | undefined,
  device: string,
  without: Readonly<Record<string, string>>,
  meta: SettingMeta,
): z.ZodType<unknown> {
  if (driver) return nested(driver, meta, without);
  const absent = z.undefined(`needs the driver ${device}, which is not part of this installation`);
  return setting(absent.optional(), meta);
}

export type FaxMailSettings = z.output<z.ZodObject<typeof shape>> & { Mailbox?: unknown; Relay?: unknown };

function rules(given: FaxMailSettings, { relay }: MailDrivers): SettingProblem[] {
  const { Mailbox, Relay, AnswerWhen, WhenUncertain } = given;
  const problems = Relay === undefined ? [] : sendingProblems(given, relay?.sender?.(Relay).address);
  const say = (name: string, message: string) => void problems.push({ setting: name, message });
  if (Mailbox === undefined && Relay === undefined)
    say('Mailbox', 'is missing, and so is Relay: a gateway needs the one to receive and the other to send');
  // Whatever a mail holds beside its fax is still in the mailbox, as long as the mail is.
  if (isRecord(Mailbox) && Mailbox.AfterReceive === 'Delete')
    say('Mailbox.AfterReceive', 'cannot be "Delete": a mail may hold more than its fax; use "Move" with MoveTo');
  if (AnswerWhen === 'Done' && Mailbox === undefined)
    say('AnswerWhen', 'cannot be "Done" without Mailbox: the results come in there');
  if (AnswerWhen === 'Done' && WhenUncertain !== 'Hold')
    say('WhenUncertain', 'must be "Hold" with AnswerWhen "Done": until the result comes, every fax is uncertain');
  return problems;
}

function sendingProblems(given: FaxMailSettings, from: string | undefined): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const say = (name: string, message: string) => void problems.push({ setting: name, message });
  const { address, subject, body, password } = outgoingOf(given);
  const unknown = given.Provider ? `: no address is known of ${given.Provider}` : ' (or Provider)';
  if (!from) say('Relay.From', 'is missing: the provider knows its customers by their address');
  if (address === '') say('AddressTemplate', `is missing${unknown}, for example "{number}@fax.example.com"`);
  else if (!`${address} ${subject}`.includes('{number}'))
    say('AddressTemplate', 'holds no {number}, and neither does Subject: the provider could not know whom to call');
  if (`${subject} ${body}`.includes('{password}') && password === undefined)
    say('Password', 'is missing: Subject or Body holds {password}');
  return problems;
}

export interface Outgoing {
  /** With {number} in it; '' when it is not known. */
  readonly address: string;
  readonly numberFormat: NumberFormat;
  readonly subject: string;
  readonly body: string;
  readonly document: 'Pdf' | 'Tiff';
  readonly station: string | undefined;
  readonly password: string | undefined;
}

export function outgoingOf(given: FaxMailSettings): Outgoing {
  const known = given.Provider && providers[given.Provider].sends;
  return {
    address: given.AddressTemplate ?? known?.address ?? '',
    numberFormat: given.NumberFormat ?? known?.number ?? 'E164',
    subject: given.Subject ?? known?.subject ?? '{subject}',
    body: given.Body ?? known?.body ?? '',
    document: given.Document,
    station: given.StationId,
    password: given.Password,
  };
}

/** In the send request in which they are asked. */
export function rulesOf({ Rules: own, Provider }: FaxMailSettings): Rules[] {
  const known = Provider && providers[Provider].rules;
  const written = own && [{ subject: own.Subject, text: own.Text, headers: own.Headers, problem: own.Problem }];
  return [...(written ?? []), ...(known ? [known] : [])];
}
