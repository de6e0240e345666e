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
import { linkSettings } from '../../src/driver/shared/link-settings.js';
import { templateProblem } from './address.js';
import { headerTemplate } from './extract.js';
import { NUMBER_FORMATS, type NumberFormat, PROVIDER_NAMES, providers, type Rules } from './providers.js';
import { parseTemplate } from './template.js';

/** The mail drivers that FaxMail is built on. Without one of them its direction cannot be used. */
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
      'Fax service whose address and mails Gatepost knows. The settings below override this knowledge. When absent, AddressTemplate and Rules describe the service.',
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
      description: 'Address to which a fax is sent, with {number} for the fax number. When absent: that of Provider.',
      example: '{number}@fax.example.com',
      only: 'out',
    },
  ),
  NumberFormat: setting(z.enum(NUMBER_FORMATS, `must be one of ${NUMBER_FORMATS.join(', ')}`).optional(), {
    description:
      'Form of an international number: E164 +420777123456, Digits 420777123456, 00 00420777123456, 011 011420777123456. When absent: the form of Provider, else E164.',
    example: 'Digits',
    only: 'out',
  }),
  Subject: setting(z.string().max(200).optional(), {
    description:
      'Subject of the mails. {subject} is the subject of the message; {number}, {station}, {pages}, {reference} and {password} are possible, too. When absent: the subject of Provider, else {subject}.',
    example: '{subject} [{reference}]',
    only: 'out',
  }),
  Body: setting(z.string().max(4_000).optional(), {
    description:
      'Text of the mails, for providers that read commands or a password from it. Placeholders as in Subject except {subject}; other words in braces stay as they are. When absent: the text of Provider, else none.',
    example: 'PASSWORD:{password}',
    only: 'out',
  }),
  Password: setting(z.string().min(1).optional(), {
    description: 'Value of {password} in Subject and Body, for providers that require a password in the mail.',
    example: '${env:GATEPOST_SECRET_FAX_PIN}',
    secret: true,
    only: 'out',
  }),
  Document: setting(z.enum(['Pdf', 'Tiff']).default('Pdf'), {
    description: 'Format of the attached pages: Pdf, or Tiff (G4) where this machine can make a TIFF.',
    example: 'Tiff',
    only: 'out',
  }),
  WhenUncertain: setting(z.enum(['Hold', 'Resend', 'AssumeSent']).default('Hold'), {
    description:
      "What happens when the connection broke after the whole mail was transferred. Hold: an operator decides, or the provider's result. Resend: it is sent again, and the provider may fax it twice. AssumeSent: it counts as sent.",
    example: 'AssumeSent',
    only: 'out',
  }),
  Results: setting(z.strictObject({ Delivered: words.default([]), Failed: words.default([]) }).optional(), {
    description:
      "Words in the subject or text of the provider's mails about sent faxes that mean success (Delivered) or failure (Failed). The longest matching word decides.",
    example: { Delivered: ['was sent successfully'], Failed: ['could not be sent'] },
    only: 'in',
  }),
  Rules: setting(ruleSet.optional(), {
    description:
      'Templates that extract values from the mails of received faxes: for Subject, for lines of the Text, and for Headers. Placeholders: {from}, {to}, {station}, {name}, {pages}, {expected}, {id}, {*} and {Word} for a value to show. Problem holds words that mean missing pages. These rules are tried before those of Provider.',
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
        'Addresses and domains (@fax.example.com) whose mails are trusted for number and station. When absent: all senders.',
      example: ['@inbound.efax.com'],
      only: 'in',
    },
  ),
  ...faxSettings,
  ...linkSettings,
};

/** Settings that mean something else here than in the devices they belong to. */
const NOT_IN_MAILBOX = { LinkDays: 'is not allowed in Mailbox: set LinkDays of FaxMail instead' };
const NOT_IN_RELAY = { WhenUncertain: 'is not allowed in Relay: set WhenUncertain of FaxMail instead' };

export function settingsFor(drivers: MailDrivers) {
  const Mailbox = part(drivers.mailbox, 'ImapHost', NOT_IN_MAILBOX, {
    description: 'Mailbox to which the provider sends received faxes and results. Mandatory for direction I.',
    example: { Host: 'imap.example.com', User: 'fax@example.com', Password: '${env:GATEPOST_SECRET_FAX}' },
  });
  const Relay = part(drivers.relay, 'SmtpHost', NOT_IN_RELAY, {
    description:
      'Mail server for the mails to the provider. Its From is the address that is registered with the provider. Mandatory for direction O.',
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
  const addProblem = (name: string, message: string) => void problems.push({ setting: name, message });
  if (Mailbox === undefined && Relay === undefined)
    addProblem('Mailbox', 'is missing, and so is Relay: a gateway needs Mailbox to receive and Relay to send');
  // A mail may hold more than its fax, and the mailbox has the only copy.
  if (isRecord(Mailbox) && Mailbox.AfterReceive === 'Delete')
    addProblem('Mailbox.AfterReceive', 'cannot be "Delete": a mail may hold more than its fax; use "Move" with MoveTo');
  if (AnswerWhen === 'Done' && Mailbox === undefined)
    addProblem('AnswerWhen', 'cannot be "Done" without Mailbox: the results are received there');
  if (AnswerWhen === 'Done' && WhenUncertain !== 'Hold')
    addProblem(
      'WhenUncertain',
      'must be "Hold" with AnswerWhen "Done": the outcome of every fax is unknown until the result comes',
    );
  return problems;
}

function sendingProblems(given: FaxMailSettings, from: string | undefined): SettingProblem[] {
  const problems: SettingProblem[] = [];
  const addProblem = (name: string, message: string) => void problems.push({ setting: name, message });
  const { address, subject, body, password } = outgoingOf(given);
  const unknown = given.Provider ? `: no address is known of ${given.Provider}` : ' (or Provider)';
  if (!from) addProblem('Relay.From', 'is missing: the provider recognizes its customers by their address');
  if (address === '') addProblem('AddressTemplate', `is missing${unknown}, for example "{number}@fax.example.com"`);
  else if (!`${address} ${subject}`.includes('{number}'))
    addProblem(
      'AddressTemplate',
      'contains no {number}, and neither does Subject: the provider would not know the fax number',
    );
  if (`${subject} ${body}`.includes('{password}') && password === undefined)
    addProblem('Password', 'is missing: Subject or Body holds {password}');
  return problems;
}

export interface Outgoing {
  /** Contains {number}; '' when it is not known. */
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

/** In the order in which they are tried. */
export function rulesOf({ Rules: own, Provider }: FaxMailSettings): Rules[] {
  const known = Provider && providers[Provider].rules;
  const written = own && [{ subject: own.Subject, text: own.Text, headers: own.Headers, problem: own.Problem }];
  return [...(written ?? []), ...(known ? [known] : [])];
}
