import { move, transferableSymbol, valueSymbol } from 'piscina';
import type { RawMail } from '../model/content.js';
import type { MailBudget, ParsedMail } from './mail/parse/parse-mail.js';
import { parseOrFallback } from './mail/parse/read-mail.js';

export interface ReadTask {
  readonly mail: RawMail;
  readonly gatewayId: string;
  readonly budget: MailBudget;
}

export default async function readInWorker({ mail, gatewayId, budget }: ReadTask): Promise<unknown> {
  const read = await parseOrFallback(mail, gatewayId, budget);
  const attachments = read.attachments.map((attachment) => ({ ...attachment, bytes: owned(attachment.bytes) }));
  const value: ParsedMail = { ...read, attachments };
  const buffers = new Set(attachments.map((attachment) => attachment.bytes.buffer));
  return move({ [valueSymbol]: value, [transferableSymbol]: [...buffers] });
}

/** Memory that belongs to these bytes alone. A view would take the whole mail, or Node's shared pool, along with it. */
function owned(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.prototype.slice.call(bytes);
}
