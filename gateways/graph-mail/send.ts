// Sending. Point of no return: the request to send is written (for a large mail the one after its draft is complete). From then
// on Graph's answer decides, and without an answer the outcome is unknown; Sent Items then tell more.
import { type Attempt, type ComposedMail, deadline, type Outcome } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { hiddenRecipients, unwantedRecipients } from '../../src/driver/shared/named-recipients.js';
import { extract, GraphRefusal } from './api.js';
import { type Draft, DraftFailure, MAX_AT_ONCE, makeDraft } from './large-mail.js';
import { failed, isAboutService, judge } from './outcome.js';
import type { Session } from './session.js';

/** Ms for removing the draft of a mail that is not sent. */
const REMOVE_MS = 10_000;

export async function send(session: Session, mail: ComposedMail, attempt: Attempt): Promise<Outcome> {
  const pauseMs = session.api.pauseMs();
  if (attempt.signal.aborted) return { kind: 'deferred', detail: 'the time for the answer was over' };
  if (pauseMs > attempt.remaining())
    return { kind: 'deferred', detail: 'Microsoft Graph throttles this mailbox', retryAfterMs: Math.ceil(pauseMs) };
  const unwanted = unwantedRecipients(mail);
  if (unwanted.length > 0) return { kind: 'rejected', detail: tooMany(unwanted) };
  const raw = withHidden(mail);
  const outcome =
    raw.length > MAX_AT_ONCE
      ? await sendLarge(session, raw, mail, attempt)
      : await sendSmall(session, raw, mail, attempt);
  if (!attempt.signal.aborted) showProblem(session, outcome);
  return outcome;
}

function tooMany([first, ...more]: readonly string[]): string {
  const others = more.length > 0 ? ` and ${more.length} more` : '';
  return `Microsoft Graph sends to everybody whom the header names, and ${first}${others} must not get this mail (again)`;
}

/** Graph reads the recipients from the header, and takes Bcc out before the mail leaves. */
function withHidden(mail: ComposedMail): Buffer {
  const raw = Buffer.from(mail.raw.buffer, mail.raw.byteOffset, mail.raw.byteLength);
  const hidden = hiddenRecipients(mail);
  if (hidden.length === 0) return raw;
  return Buffer.concat([Buffer.from(`Bcc: ${hidden.join(',\r\n ')}\r\n`), raw]);
}

function showProblem({ context }: Session, outcome: Outcome): void {
  const isTrouble = isAboutService(outcome);
  context.reportProblem('sending', isTrouble ? `Microsoft Graph takes no mail: ${outcome.detail}` : null);
}

async function sendSmall({ api }: Session, raw: Buffer, mail: ComposedMail, { signal }: Attempt): Promise<Outcome> {
  try {
    const text = raw.toString('base64');
    return judge(await api.request({ method: 'POST', path: '/sendMail', text }, signal), idOf(mail));
  } catch (error) {
    return failed(error);
  }
}

async function sendLarge(session: Session, raw: Buffer, mail: ComposedMail, attempt: Attempt): Promise<Outcome> {
  const { api } = session;
  let draft: Draft | undefined;
  try {
    draft = await makeDraft(api, raw, mail.messageId, attempt.signal);
  } catch (error) {
    if (error instanceof DraftFailure) await removeDraft(session, error.draft);
    return notMade(error instanceof DraftFailure ? error.cause : error, mail);
  }
  if (!draft)
    return {
      kind: 'rejected',
      detail: `the mail has ${raw.length} bytes, and without its attachments it is still too large`,
    };
  try {
    const outcome = judge(await draft.send(attempt.signal), idOf(mail));
    if (outcome.kind === 'deferred' || outcome.kind === 'rejected') await removeDraft(session, draft);
    return outcome;
  } catch (error) {
    const outcome = failed(error);
    if (outcome.kind === 'deferred') await removeDraft(session, draft);
    return outcome;
  }
}

/** Nothing has gone out, whatever the answer was. */
function notMade(error: unknown, mail: ComposedMail): Outcome {
  const outcome = error instanceof GraphRefusal ? judge(error.answer, idOf(mail)) : failed(error);
  return outcome.kind === 'rejected' || outcome.kind === 'deferred'
    ? outcome
    : { kind: 'deferred', detail: outcome.detail ?? 'Microsoft Graph does not take the draft' };
}

async function removeDraft({ context, closed }: Session, draft: Draft): Promise<void> {
  const due = deadline(context.clock, REMOVE_MS, closed);
  try {
    await draft.remove(due.signal);
  } catch (err) {
    context.log.warn({ err }, 'draft of an unsent mail remains');
  } finally {
    due.dispose();
  }
}

const sentSchema = z.object({ value: z.array(z.object({ id: z.string(), isDraft: z.boolean().catch(false) })) });

/** Sent Items get their copy when the mail leaves. A mail that is not there may still be on its way. */
export async function lookup({ api }: Session, mail: ComposedMail, attempt: Attempt): Promise<Outcome | 'not found'> {
  const filter = encodeURIComponent(`internetMessageId eq '${mail.messageId.replaceAll("'", "''")}'`);
  const path = `/mailFolders/sentitems/messages?$filter=${filter}&$select=id,isDraft`;
  const { value } = extract(sentSchema, await api.need({ method: 'GET', path }, attempt.signal));
  const isThere = value.some(({ isDraft }) => !isDraft);
  return isThere ? { kind: 'sent', deliverySystemId: idOf(mail), detail: 'found in Sent Items' } : 'not found';
}

function idOf({ messageId }: ComposedMail): string {
  return messageId.replace(/^<|>$/g, '');
}
