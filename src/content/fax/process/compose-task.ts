// Task and reply of the process that composes faxes. Both sides validate their input: one of them handles files of strangers.
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
   * Composes the fax of a send request. A fax that cannot be composed is a result with `problem`. Rejects only with the signal's
   * reason, or when the composer is closed.
   */
  compose(sendRequest: MessageContentInfo, rules: FaxRules, signal: AbortSignal): Promise<FaxResult>;
  /** Waits for the fax in progress and ends the browser. Idempotent. */
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
  /** The time printed on the pages, ms since the epoch. */
  now: z.number(),
  /** False: leave the pictures out. */
  pictures: z.boolean(),
  /** Paths of the programs, and their time in ms. */
  chromium: z.string().nullable(),
  ghostscript: z.string().nullable(),
  composeMs: z.number().positive(),
});
export type ComposeTask = z.infer<typeof composeTask>;

export const composeReply = z.union([
  /** `logged`: warnings for the log of the service. */
  z.object({
    result: faxResult,
    logged: z.array(z.object({ fields: z.record(z.string(), z.unknown()), message: z.string() })),
  }),
  z.object({ failed: z.string() }),
]);
export type ComposeReply = z.infer<typeof composeReply>;
