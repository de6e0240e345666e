// What a lookup needs of a message that was sent: everything but the bytes of mails and faxes. It is journaled with the attempt, so
// that an unknown outcome can be looked up after a restart, when the send request is gone.
import { z } from 'zod';
import type { ComposedMessage } from '../../../driver/contract.js';

const mail = z.object({
  kind: z.literal('mail'),
  messageId: z.string(),
  from: z.string(),
  recipients: z.array(z.string()),
});

const text = z.object({
  kind: z.literal('text'),
  to: z.string(),
  from: z.string().optional(),
  text: z.string(),
  encoding: z.enum(['GSM-7', 'UCS-2']),
  segments: z.number(),
  reference: z.string(),
});

const fax = z.object({
  kind: z.literal('fax'),
  to: z.string(),
  from: z.string().optional(),
  subject: z.string(),
  pages: z.number(),
  reference: z.string(),
});

const outline = z.discriminatedUnion('kind', [mail, text, fax]);

export function outlineOf(message: ComposedMessage): string {
  return JSON.stringify(outline.parse(message));
}

/** Null when there is no outline: an attempt of a version that wrote none. */
export function messageFrom(json: string | null): ComposedMessage | null {
  if (json === null) return null;
  const result = outline.safeParse(JSON.parse(json));
  if (!result.success) return null;
  const { data } = result;
  const empty = new Uint8Array();
  if (data.kind === 'mail') return { ...data, raw: empty };
  if (data.kind === 'fax') return { ...data, from: data.from, pdf: empty, tiff: null };
  return { ...data, from: data.from };
}
