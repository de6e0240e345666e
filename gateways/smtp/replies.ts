// What a dialogue with the mail server means for the send request. Pure.
// The reply code decides (RFC 5321 4.2.1: 4yz try again, 5yz do not); nodemailer's own error codes only say in which
// step it happened.
import { type ComposedMail, messageOf, type Outcome, type RecipientRejection } from '../../src/driver/contract.js';
import { connectionFault } from '../../src/driver/shared/connection-faults.js';
import type { Dialogue } from './connection.js';

/** A reply has a few lines; more of it tells nothing. */
const LONGEST_REPLY = 8 * 1024;

/** Replies about the login or the encryption (RFC 4954 6): the mail can be sent once the settings are corrected. */
const ABOUT_LOGIN = new Set([530, 534, 535, 538]);

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
  if (end.is === 'accepted') return accepted(end.info, mail, committed);
  if (end.is === 'aborted') {
    return committed
      ? {
          kind: 'unknown',
          detail: 'the whole mail was transferred, and the mail server did not answer before the deadline',
        }
      : { kind: 'deferred', detail: 'the mail server was too slow; the mail was not transferred completely' };
  }
  const failure = failureOf(end.error);
  if (failure.recipients.length > 0) return allRejected(failure.recipients);
  return failure.reply ? answered(failure) : unanswered(failure, committed);
}

/** True when the connection was lost before the server could have accepted the mail: a new one may be used. */
export function lostBefore({ committed, end }: Dialogue): boolean {
  if (committed || end.is !== 'failed') return false;
  const { replyCode, code, command, recipients } = failureOf(end.error);
  if (recipients.length > 0 || command === 'API' || code === 'EMESSAGE') return false;
  return replyCode === 0 || replyCode === 421 || command === 'CONN';
}

/** True when the server takes no mail at all at the moment: it is closing (421), wants another login, or answers nothing. */
export function isAboutServer({ committed, end }: Dialogue): boolean {
  if (end.is !== 'failed') return false;
  const { replyCode, code, command, recipients } = failureOf(end.error);
  if (replyCode === 0) return !committed && recipients.length === 0 && command !== 'API' && code !== 'EMESSAGE';
  return replyCode === 421 || ABOUT_LOGIN.has(replyCode) || command === 'CONN';
}

/** A failure before anything could be sent, as one sentence: the server's reply where there is one. */
export function failureText(error: unknown): string {
  const { reply, command, message } = failureOf(error);
  if (!reply) return connectionFault(error)?.text ?? message;
  return /^[A-Z]/.test(command) && command !== 'CONN' ? `${command}: ${reply}` : reply;
}

function accepted(
  info: { accepted: readonly string[]; rejectedErrors?: readonly Error[] | undefined; response: string },
  mail: ComposedMail,
  committed: boolean,
): Outcome {
  if (!committed)
    return { kind: 'unknown', detail: `answered before the mail was complete: ${oneLine(info.response)}` };
  const deliverySystemId = mail.messageId.replace(/^<|>$/g, '');
  const detail = oneLine(info.response);
  const refused = (info.rejectedErrors ?? []).map(rejectionOf);
  if (refused.length === 0) return { kind: 'sent', deliverySystemId, detail };
  return { kind: 'partial', deliverySystemId, accepted: info.accepted, refused, detail };
}

function allRejected(errors: readonly Error[]): Outcome {
  const rejections = errors.map(rejectionOf);
  const detail = rejections.map(({ recipient, detail }) => `${recipient}: ${detail}`).join('; ');
  return rejections.some(({ temporary }) => temporary) ? { kind: 'deferred', detail } : { kind: 'rejected', detail };
}

function answered(failure: Failure): Outcome {
  const detail = failure.command === 'CONN' ? String(failure.reply) : `${failure.command}: ${failure.reply}`;
  const final = failure.replyCode >= 500 && !ABOUT_LOGIN.has(failure.replyCode);
  // A rejected greeting, EHLO or login concerns the gateway; only replies to the transaction concern the mail.
  const aboutMail = /^(?:MAIL FROM|RCPT TO|DATA)$/.test(failure.command);
  return final && aboutMail ? { kind: 'rejected', detail } : { kind: 'deferred', detail };
}

function unanswered(failure: Failure, committed: boolean): Outcome {
  const { code, command, message } = failure;
  if (committed) return { kind: 'unknown', detail: `the whole mail was transferred, then: ${message}` };
  // Larger than the server's SIZE, or an address that cannot be written into a command: another try changes nothing.
  if (code === 'EMESSAGE' || (code === 'EENVELOPE' && command === 'API')) return { kind: 'rejected', detail: message };
  return { kind: 'deferred', detail: message };
}

function rejectionOf(error: Error): RecipientRejection {
  const { reply, replyCode, message } = failureOf(error);
  const recipient = 'recipient' in error ? String(error.recipient) : '';
  const temporary = replyCode < 500 || ABOUT_LOGIN.has(replyCode) || isTooManyRecipients(replyCode, reply ?? '');
  return { recipient, temporary, detail: reply ?? message };
}

/**
 * "Too many recipients in this transaction" is no verdict on the recipient: the next transaction takes it. RFC 5321 4.5.3.1.10 has
 * 552 for it beside 452; X.5.3 (RFC 3463) says it whatever the reply code; other servers say it in words. A 552 with another
 * enhanced code, a full mailbox (5.2.2) above all, is a verdict.
 */
export function isTooManyRecipients(replyCode: number, reply: string): boolean {
  const enhanced = /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b/.exec(reply)?.[1];
  if (enhanced) return /^[45]\.5\.3$/.test(enhanced);
  if (/too many (?:recipients|rcpts?)|recipient limit|recipients? count exceed/i.test(reply)) return true;
  return replyCode === 552 && !/quota|mailbox|full|size|too (?:big|large)/i.test(reply);
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
  const lines = text
    .slice(0, LONGEST_REPLY)
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '');
  return lines
    .map((line, at) => (at === 0 ? line.replace(/^(\d{3})-/, '$1 ') : line.replace(/^\d{3}[ -](?:\d\.\d+\.\d+ )?/, '')))
    .map((line) => line.trimEnd())
    .join(' ');
}
