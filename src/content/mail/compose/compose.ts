// The same send request gives the same bytes on every attempt, except for the time in Date: same Message-ID, same
// boundaries. So a receiver can recognize a repeated mail.
import { createHash } from 'node:crypto';
import MailComposer from 'nodemailer/lib/mail-composer';
import { messageOf } from '../../../kit/errors.js';
import { bracketed, idsOf, trimReferences } from '../../../kit/references.js';
import type { ComposedMail } from '../../../model/content.js';
import type { MessageContentInfo } from '../../../model/message.js';
import { cleanLine, cutText } from '../../limits.js';
import { shortId } from '../../threading.js';
import { checkAddress, cleanName, type MailAddress, parseAddresses } from '../addresses.js';
import { type Bodies, bodiesOf } from './body.js';
import { type Recipients, recipientsOf } from './recipients.js';

export interface ComposeOptions {
  /** What the gateway says about the sender; goes before the send request's FromField. */
  sender: { address?: string | undefined; name?: string | undefined };
  /** Shown as the sender's name when neither the gateway nor the send request has one. */
  gatewayName: string | null;
  /** The message that this one answers: its Message-ID, and what References have to hold; both with brackets. */
  thread: { messageId: string; references: string } | null;
  /** For the Date header, ms since the epoch. */
  now: number;
  /** Ends ids that are made here; the sender's domain when absent. */
  domain?: string;
  /** Only these recipients; the headers name all. The others have accepted the mail already. */
  only?: readonly string[];
}

export type ComposeResult =
  | { ok: true; mail: ComposedMail; deliverySystemId: string }
  /** One sentence for the server and the delivery log: what is wrong with the send request or the gateway. */
  | { ok: false; problem: string };

/** Most bytes of a composed mail; the usual limit of mail servers, encoding included. */
const MAX_MAIL = 25_000_000;
/** Subject characters; the server's own limit is 320. */
const MAX_SUBJECT = 1_000;
const MAX_MESSAGE_ID = 250;

const ATOMS = "[A-Za-z0-9!#$%&'*+\\-/=?^_`{|}~]+(?:\\.[A-Za-z0-9!#$%&'*+\\-/=?^_`{|}~]+)*";
/** RFC 5322 3.6.4: dot-atom on the left, dot-atom or no-fold-literal on the right. */
const MESSAGE_ID = new RegExp(`^${ATOMS}@(?:${ATOMS}|\\[[!-Z^-~]+\\])$`);

/** Never rejects for anything in the send request. */
export async function composeMail(sendRequest: MessageContentInfo, options: ComposeOptions): Promise<ComposeResult> {
  const sender = senderOf(sendRequest, options);
  if (!sender.ok) return sender;
  const read = recipientsOf(sendRequest);
  if (!read.ok) return read;
  const recipients = chosen(read.recipients.envelope, options.only);
  if (recipients.length === 0)
    return { ok: false, problem: 'every recipient of the send request has accepted the mail already' };
  const subject = cutText(cleanLine(sendRequest.SubjectField ?? ''), MAX_SUBJECT);
  const size = (sendRequest.BodyHtml?.length ?? 0) + (sendRequest.BodyText?.length ?? 0);
  if (size > MAX_MAIL) return { ok: false, problem: tooLarge(size) };
  const domain = options.domain ?? sender.from.address.slice(sender.from.address.lastIndexOf('@') + 1);
  const bodies = bodiesOf(sendRequest, domain);
  if (subject === '' && bodies.text.trim() === '' && bodies.html === '') {
    return { ok: false, problem: 'the send request has neither a subject nor a body: there is nothing to send' };
  }
  const id = messageIdFor(sendRequest, domain);
  const headers = { from: sender.from, recipients: read.recipients, subject, id, thread: options.thread };
  return finish(await build(headers, bodies, options.now), { id, from: sender.from.address, recipients });
}

type Built = { ok: true; raw: Buffer } | { ok: false; problem: string };

function finish(
  built: Built,
  { id, from, recipients }: { id: string; from: string; recipients: string[] },
): ComposeResult {
  if (!built.ok) return built;
  if (built.raw.length > MAX_MAIL) return { ok: false, problem: tooLarge(built.raw.length) };
  const mail: ComposedMail = { kind: 'mail', raw: built.raw, messageId: `<${id}>`, from, recipients };
  return { ok: true, mail, deliverySystemId: shortId(id) };
}

function tooLarge(size: number): string {
  return `the mail would have ${Math.ceil(size / 1e6)} MB; at most ${MAX_MAIL / 1e6} MB are sent`;
}

function senderOf(
  sendRequest: MessageContentInfo,
  { sender, gatewayName }: ComposeOptions,
): { ok: true; from: MailAddress } | { ok: false; problem: string } {
  const written = parseAddresses(sendRequest.FromField ?? '')[0];
  const address = sender.address?.trim() || written?.address;
  if (!address) {
    return { ok: false, problem: 'the send request has no sender address in FromField: set From in the gateway' };
  }
  const checked = checkAddress(address);
  if (!checked.ok) {
    const where = sender.address ? 'correct From in the gateway' : 'set From in the gateway, or correct FromField';
    return {
      ok: false,
      problem: `the sender address ${JSON.stringify(address.slice(0, 100))} ${checked.problem}: ${where}`,
    };
  }
  const name = cleanName(sender.name?.trim() || written?.name || gatewayName || '');
  return { ok: true, from: { name, address: checked.address } };
}

function chosen(envelope: readonly string[], only: readonly string[] | undefined): string[] {
  if (!only) return [...envelope];
  const wanted = new Set(only.map((address) => address.toLowerCase()));
  return envelope.filter((address) => wanted.has(address.toLowerCase()));
}

/** The proposed DeliverySystemId when it is a valid Message-ID; else one made of the send request, the same at every attempt. */
function messageIdFor(sendRequest: MessageContentInfo, domain: string): string {
  const proposed = (sendRequest.DeliverySystemId ?? '').trim().replace(/^<(.*)>$/, '$1');
  if (proposed.length <= MAX_MESSAGE_ID && MESSAGE_ID.test(proposed)) return proposed;
  const name = sendRequest.MessageId ?? digest(JSON.stringify(sendRequest)).slice(0, 32);
  return `${name}@${domain.replace(/^\[(?:IPv6:)?|\]$/gi, '').replaceAll(':', '-')}`;
}

interface Headers {
  from: MailAddress;
  recipients: Recipients;
  subject: string;
  /** Message-ID without brackets. */
  id: string;
  thread: ComposeOptions['thread'];
}

async function build({ from, recipients, subject, id, thread }: Headers, bodies: Bodies, now: number): Promise<Built> {
  const composer = new MailComposer({
    from,
    to: recipients.to,
    cc: recipients.cc,
    replyTo: recipients.replyTo,
    // All recipients are blind: RFC 5322 3.6.3 allows no empty To, and some relays reject a mail without one.
    ...(recipients.to.length + recipients.cc.length === 0 && { to: 'Undisclosed recipients:;' }),
    subject,
    messageId: `<${id}>`,
    date: new Date(now),
    ...threadHeaders(thread),
    text: bodies.text,
    ...(bodies.html !== '' && { html: bodies.html }),
    attachments: bodies.images.map((image) => ({ ...image, contentDisposition: 'inline' })),
    // Holds a hash of the bodies, so that no body can hold the boundary.
    baseBoundary: digest(`${id}\n${bodies.text}\n${bodies.html}`).slice(0, 24),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    return { ok: true, raw: await composer.compile().build() };
  } catch (error) {
    return { ok: false, problem: `the mail could not be built: ${messageOf(error)}` };
  }
}

function threadHeaders(thread: ComposeOptions['thread']): { inReplyTo?: string; references?: string } {
  if (!thread) return {};
  const answered = idsOf(thread.messageId).find(isReferable);
  if (answered === undefined) return {};
  const references = trimReferences(idsOf(thread.references).filter(isReferable), answered);
  return references.length === 0 ? {} : { inReplyTo: `<${answered}>`, references: bracketed(references) };
}

/** Ids of other mail programs need not be valid, only harmless: one ASCII word. */
function isReferable(id: string): boolean {
  return /^[!-~]+$/.test(id);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
