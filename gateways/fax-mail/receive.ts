import { type FaxDocument, type GatewayContext, type InboundMessage, messageOf } from '../../src/driver/contract.js';
import { describer } from './describe.js';
import { type OpenedMail, openMail } from './open-mail.js';
import { pageOf } from './page.js';
import { readResultMail } from './result-mail.js';
import type { FaxMailSettings } from './settings.js';
import { type InboundMail, severalFaxes } from './several-faxes.js';

type Context = GatewayContext<FaxMailSettings>;

/** Turns each mail of the mailbox into the faxes that it holds. */
export async function* unpack(
  mails: AsyncIterable<InboundMessage>,
  context: Context,
): AsyncGenerator<InboundMessage<FaxDocument>> {
  for await (const mail of mails) {
    if (mail.content) yield* faxesOf({ ...mail, content: mail.content }, context);
    else yield { ...mail, content: null };
  }
}

async function* faxesOf(mail: InboundMail, context: Context): AsyncGenerator<InboundMessage<FaxDocument>> {
  const opened = await openMail(mail.content);
  if (await wasResult(mail, opened, context)) return;
  const describe = describer(mail.content, opened, context.settings);
  const [first, ...others] = opened.documents;
  if (others.length > 0) yield* severalFaxes(mail, opened.documents, describe, context);
  else yield { ...mail, content: describe(first?.bytes ?? (await pageOf(opened, mail.content.receivedAt)), 1) };
}

/** True when the mail contained the final result of a sent fax. The result is in the journal then, and the mail is confirmed. */
async function wasResult(mail: InboundMail, opened: OpenedMail, context: Context): Promise<boolean> {
  const { Results } = context.settings;
  const words = { delivered: Results?.Delivered ?? [], failed: Results?.Failed ?? [] };
  const result = readResultMail(context.gateway.id, mail.content, opened, words);
  if (!result) return false;
  await context.reportReceipts([result.receipt]);
  if (!result.final) return false;
  await context.driverState.skip([{ key: mail.key, fingerprint: mail.fingerprint }]);
  await mail
    .confirm()
    .catch((error) => context.log.warn({ message_key: mail.key, err: messageOf(error) }, 'result mail not confirmed'));
  return true;
}
