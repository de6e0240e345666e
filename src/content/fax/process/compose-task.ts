// Owns what composing a fax gives, and what is asked of the process that does it and answered by it. Both sides check what
// they are given: one of them has been handling pictures and markup of strangers.
import { z } from 'zod';
import type { FaxRules } from '../../../model/content.js';
import type { MessageContentInfo } from '../../../model/message.js';

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'is not bytes');

/** The same shape as the driver contract's OutboundFax. */
const composedFax = z.object({
  kind: z.literal('fax'),
  to: z.string(),
  from: z.union([z.string(), z.undefined()]),
  subject: z.string(),
  pdf: bytes,
  tiff: bytes.nullable(),
  pages: z.number().int().positive(),
  reference: z.string(),
});
export type ComposedFax = z.infer<typeof composedFax>;

const faxResult = z.union([
  z.object({ ok: z.literal(true), fax: composedFax }),
  z.object({ ok: z.literal(false), problem: z.string() }),
]);
export type FaxResult = z.infer<typeof faxResult>;

export interface FaxComposer {
  /**
   * Composes the fax that `order` asks for. Never rejects for anything in the send request; only with the signal's reason, or when
   * it is closed.
   */
  compose(sendRequest: MessageContentInfo, rules: FaxRules, signal: AbortSignal): Promise<FaxResult>;
  /** Waits for what is under way and ends the browser. Twice is fine. */
  close(): Promise<void>;
}

const optional = z.union([z.string(), z.undefined()]);
const text = z.string().nullish();

export const composeTask = z.object({
  /** The members that are on the pages or say where they go. */
  sendRequest: z.object({
    ...{ GatewayId: z.string(), MessageId: text, DeliverySystemId: text, RemoteAddress: text },
    ...{ FromField: text, ToField: text, SubjectField: text, BodyHtml: text, BodyText: text, Culture: text },
  }),
  rules: z.object({
    region: optional,
    pageSize: z.enum(['A4', 'Letter', 'Legal']),
    resolution: z.enum(['Standard', 'Fine', 'Superfine']),
    documents: z.enum(['pdf', 'tiff']),
    header: optional,
    station: optional,
    coverPage: z.boolean(),
  }),
  /** The time to print, ms since the epoch. */
  now: z.number(),
  /** False: without its pictures. */
  pictures: z.boolean(),
  /** The programs to use, and ms that they may take. */
  chromium: z.string().nullable(),
  ghostscript: z.string().nullable(),
  composeMs: z.number().positive(),
});
export type ComposeTask = z.infer<typeof composeTask>;

export const composeReply = z.union([
  /** `said`: for the log. */
  z.object({
    result: faxResult,
    said: z.array(z.object({ fields: z.record(z.string(), z.unknown()), message: z.string() })),
  }),
  z.object({ failed: z.string() }),
]);
export type ComposeReply = z.infer<typeof composeReply>;
