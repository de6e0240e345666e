// Owns the judgement: what a dialogue with the mail server means for the send request. Pure.
// The reply code decides (RFC 5321 4.2.1: 4yz try again, 5yz do not); nodemailer's own error codes only say in which
// step it happened.
import { type ComposedMail, messageOf, type Outcome, type RecipientRejection } from '../../src/driver/contract.js';
import type { Dialogue } from './link.js';

/** Replies that are about our login or encryption and not about the mail: it can go out once that is put right (RFC 4954 6). */
const ABOUT_US = new Set([530, 534, 535, 538]);

/** What nodemailer puts on its errors, as far as it is there. */
interface Failure {
  readonly message: string;
  /** The step: `RCPT TO`, `DATA`; `CONN` and `API` stand for no command at all. */
  readonly command: string;
  readonly code: string;
  readonly reply: string | undefined;
  readonly replyCode: number;
  readonly recipients: readonly Error[];
}

export function judge(dialogue: Dialogue, mail: ComposedMail): Outcome {
  const { committed, end } = dialogue;
  if (end.is === 'taken') return taken(end.info, mail, committed);
  if (end.is === 'aborted') {
    return committed
      ? { kind: 'unknown', detail: 'the whole mail was handed over and the mail server did not answer in time' }
      : { kind: 'deferred', detail: 'the mail server took too long; the mail was not handed over completely' };
  }
  const failure = failureOf(end.error);
  if (failure.recipients.length > 0) return allRefused(failure.recipients);
  return failure.reply ? replied(failure) : unanswered(failure, committed);
}

/** True when the connection was lost, or found to be closed, before the mail could be taken: a fresh one may do. */
export function lostBefore({ committed, end }: Dialogue): boolean {
  if (committed || end.is !== 'failed') return false;
  const { replyCode, code, command, recipients } = failureOf(end.error);
  if (recipients.length > 0 || command === 'API' || code === 'EMESSAGE') return false;
  return replyCode === 0 || replyCode === 421 || command === 'CONN';
}

/** The sentence of a failure before anything could be sent: the server's own words where there are any. */
export function wordsOf(error: unknown): string {
  const { reply, command, message } = failureOf(error);
  if (!reply) return message;
  return /^[A-Z]/.test(command) && command !== 'CONN' ? `${command}: ${reply}` : reply;
}

function taken(
  info: { accepted: readonly string[]; rejectedErrors?: readonly Error[] | undefined; response: string },
  mail: ComposedMail,
  committed: boolean,
): Outcome {
  if (!committed)
    return { kind: 'unknown', detail: `answered before the mail was complete: ${oneLine(info.response)}` };
  const deliverySystemId = mail.messageId.replace(/^<|>$/g, '');
  const detail = oneLine(info.response);
  const refused = (info.rejectedErrors ?? []).map(refusalOf);
  if (refused.length === 0) return { kind: 'sent', deliverySystemId, detail };
  return { kind: 'partial', deliverySystemId, accepted: info.accepted, refused, detail };
}

function allRefused(errors: readonly Error[]): Outcome {
  const refusals = errors.map(refusalOf);
  const detail = refusals.map(({ recipient, detail }) => `${recipient}: ${detail}`).join('; ');
  return refusals.some(({ temporary }) => temporary) ? { kind: 'deferred', detail } : { kind: 'rejected', detail };
}

function replied(failure: Failure): Outcome {
  const detail = failure.command === 'CONN' ? String(failure.reply) : `${failure.command}: ${failure.reply}`;
  const final = failure.replyCode >= 500 && !ABOUT_US.has(failure.replyCode);
  // Greeting, EHLO and login are refused to us; only what answers the transaction itself is about the mail.
  const aboutMail = /^(?:MAIL FROM|RCPT TO|DATA)$/.test(failure.command);
  return final && aboutMail ? { kind: 'rejected', detail } : { kind: 'deferred', detail };
}

function unanswered(failure: Failure, committed: boolean): Outcome {
  const { code, command, message } = failure;
  if (committed) return { kind: 'unknown', detail: `the whole mail was handed over, then: ${message}` };
  // Larger than the server's SIZE, or an address that cannot be written into a command: another try changes nothing.
  if (code === 'EMESSAGE' || (code === 'EENVELOPE' && command === 'API')) return { kind: 'rejected', detail: message };
  return { kind: 'deferred', detail: message };
}

function refusalOf(error: Error): RecipientRejection {
  const { reply, replyCode, message } = failureOf(error);
  const recipient = 'recipient' in error ? String(error.recipient) : '';
  return { recipient, temporary: replyCode < 500 || ABOUT_US.has(replyCode), detail: reply ?? message };
}

function failureOf(error: unknown): Failure {
  const has = (name: string): unknown =>
    typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
  const response = has('response');
  const recipients = has('rejectedErrors');
  return {
    message: oneLine(messageOf(error)),
    command: String(has('command') ?? ''),
    code: String(has('code') ?? ''),
    reply: typeof response === 'string' && response ? oneLine(response) : undefined,
    replyCode: Number(has('responseCode') ?? 0),
    recipients: Array.isArray(recipients) ? recipients : [],
  };
}

/** A reply of several lines as one: the codes of all lines but the first are dropped. */
function oneLine(text: string): string {
  return text
    .trim()
    .replace(/^(\d{3})-/, '$1 ')
    .replace(/\s*\r?\n(?:\d{3}[ -](?:\d\.\d+\.\d+ )?)?/g, ' ');
}
