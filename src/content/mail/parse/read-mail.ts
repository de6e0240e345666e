import { messageOf } from '../../../kit/errors.js';
import type { RawMail } from '../../../model/content.js';
import { withFooter } from '../../footer.js';
import type { ReadContext, ReadMessage } from '../../reader.js';
import { fallbackMail } from './fallback.js';
import { attachmentIds, type MailBudget, type ParsedMail, parseMail, prepare } from './parse-mail.js';

/** What a mail may take when there is time: in the worker and on the command line. */
export const FULL_BUDGET: MailBudget = {
  // An agent does not open the 251st attachment; 50 levels are more than forwarding of forwards makes.
  scan: { parts: 250, depth: 50, candidates: 1_000_000, headerLines: 200_000 },
  // A little less than the HTML cleaner takes, so that what is cut is cut here, where the whole gets attached.
  textBytes: 900_000,
  imageBytes: 1_000_000,
};

/** Reads a mail here and now, however long it takes. Never rejects for anything in the mail. */
export async function readMailNow(
  mail: RawMail,
  context: ReadContext,
  budget: MailBudget = FULL_BUDGET,
): Promise<ReadMessage> {
  return finishMail(await parseOrFallback(mail, context.gatewayId, budget), mail, context);
}

export async function parseOrFallback(mail: RawMail, gatewayId: string, budget: MailBudget): Promise<ParsedMail> {
  try {
    const prepared = prepare(mail, budget);
    if (!prepared) return fallbackMail(mail, gatewayId, 'it is too large');
    return await parseMail(prepared, gatewayId);
  } catch (error) {
    return fallbackMail(mail, gatewayId, messageOf(error));
  }
}

export function finishMail(read: ParsedMail, mail: RawMail, context: ReadContext): ReadMessage {
  const attachments = [...read.attachments];
  if (read.attachOriginal) {
    const id = attachmentIds(mail, context.gatewayId)(attachments.length);
    attachments.push({ id, name: 'original.eml', type: 'message/rfc822', bytes: mail.raw });
  }
  const { html, text } = withFooter(read, attachments, read.notes, context.link);
  return {
    message: { ...read.fields, BodyHtml: html, BodyText: text },
    attachments,
    rfcMessageId: read.rfcMessageId,
    references: read.references,
    notes: read.notes,
  };
}
