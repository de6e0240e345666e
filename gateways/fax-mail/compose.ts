// One mail per fax, to the provider's address for the number, with the document attached. Point of no return: that of the relay
// (the final dot of SMTP). The provider may report the result of the fax later, by mail.
import { createHash } from 'node:crypto';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { ComposedFax, ComposedMail, Outcome, Sender } from '../../src/driver/contract.js';
import { addressFor, writeNumber } from './address.js';
import type { Outgoing } from './settings.js';
import { tokenOf } from './token.js';

export interface MailOptions {
  readonly gatewayId: string;
  readonly outgoing: Outgoing;
  /** From the settings of the relay. */
  readonly sender: Sender;
  /** For the Date header, ms since the epoch. */
  readonly now: number;
}

export type Composed = { ok: true; mail: ComposedMail; token: string; notes: string } | { ok: false; problem: string };

/** Ids in the journal have at most 80 characters; a longer domain is replaced. */
const MAX_DOMAIN = 40;
/** RFC 5322 2.1.1, with room for what encoding adds. */
const MAX_SUBJECT = 300;

export async function compose(fax: ComposedFax, { gatewayId, outgoing, sender, now }: MailOptions): Promise<Composed> {
  const { address: from } = sender;
  if (!from) return { ok: false, problem: 'Relay.From is missing: the provider knows its customers by their address' };
  const number = writeNumber(fax.to, outgoing.numberFormat);
  if (!number.ok) return number;
  const token = tokenOf(gatewayId, fax.reference);
  const messageId = `<${token}@${domainOf(from)}>`;
  const to = addressFor(outgoing.address, number.text);
  const put = fillIn({ number: number.text, reference: token, pages: String(fax.pages), ...wordsOf(outgoing) });
  const { document, notes } = documentOf(fax, outgoing);
  const composer = new MailComposer({
    from: { name: sender.name ?? '', address: from },
    to: { name: '', address: to },
    // The agent's words go into the subject only: some providers execute commands in the text.
    subject: subjectOf(outgoing.subject, put, withoutPlaceholders(fax.subject)),
    messageId,
    date: new Date(now),
    // Never empty: without a text the document would be the body of the mail instead of an attachment.
    text: put(outgoing.body) || '\n',
    attachments: [document],
    baseBoundary: createHash('sha256').update(`${token}\n${outgoing.body}`).digest('hex').slice(0, 24),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const raw = await composer.compile().build();
  return { ok: true, token, notes, mail: { kind: 'mail', raw, messageId, from, recipients: [to] } };
}

const domainOf = (address: string) => {
  const domain = address.slice(address.lastIndexOf('@') + 1);
  return /^[A-Za-z0-9.-]+$/.test(domain) && domain.length <= MAX_DOMAIN ? domain : 'fax-mail.invalid';
};

const wordsOf = ({ station, password }: Outgoing) => ({ station: station ?? '', password: password ?? '' });
/** One line without placeholders. */
const withoutPlaceholders = (text: string) =>
  text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .replace(/[{}]/g, '')
    .trim();

/** Cuts the agent's words only: the provider needs the number, and its result is found by the reference. */
function subjectOf(template: string, put: (template: string) => string, words: string): string {
  const room = Math.max(0, MAX_SUBJECT - put(template.replaceAll('{subject}', '')).length);
  const cut = words.slice(0, room).replace(/[\uD800-\uDBFF]$/, '');
  return put(template.replaceAll('{subject}', () => cut));
}

/** Unknown words in braces stay: they are for the provider. */
function fillIn(values: Readonly<Record<string, string>>): (template: string) => string {
  return (template) => template.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

function documentOf({ pdf, tiff }: ComposedFax, { document }: Outgoing) {
  if (document === 'Tiff' && tiff) return { document: attachment('fax.tif', 'image/tiff', tiff), notes: '' };
  const notes = document === 'Tiff' ? '; sent as PDF, because this machine cannot make the TIFF' : '';
  return { document: attachment('fax.pdf', 'application/pdf', pdf), notes };
}

const attachment = (filename: string, contentType: string, bytes: Uint8Array) => ({
  filename,
  contentType,
  content: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
});

/** The outcome of the mail, as an outcome of the fax. */
export function outcomeOf(
  outcome: Outcome,
  composed: Extract<Composed, { ok: true }>,
  answerWhen: 'Accepted' | 'Done',
): Outcome {
  const { token, notes, mail } = composed;
  switch (outcome.kind) {
    case 'deferred':
    case 'rejected':
      return outcome;
    case 'unknown':
      return { ...outcome, ids: [token] };
    case 'partial':
      return {
        kind: 'unknown',
        detail: 'the mail server accepted the mail for some recipients, though it has only one',
        ids: [token],
      };
    case 'sent': {
      const detail = `accepted for transmission by the provider${notes}: ${outcome.detail ?? mail.recipients.join(', ')}`;
      if (answerWhen === 'Done')
        return { kind: 'unknown', detail: `the call is still to come; ${detail}`, ids: [token] };
      return {
        kind: 'sent',
        deliverySystemId: mail.messageId.slice(1, -1),
        state: 'accepted',
        ids: [token],
        detail,
      };
    }
  }
}
