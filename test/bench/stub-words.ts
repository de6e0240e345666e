// Messages between the runner and the stub server, which is a process of its own.
import { z } from 'zod';

/** What send requests are made from; the stub adds the ids. */
const sendRequests = z.object({
  count: z.number(),
  window: z.number(),
  gatewayId: z.string(),
  /** One mail to ever so many, or the texts of sms-texts.ts. */
  of: z.union([z.object({ text: z.string(), html: z.string() }), z.literal('texts')]),
  /** Number of the first one. */
  first: z.number(),
});
export type SendRequestBatch = z.infer<typeof sendRequests>;

export const command = z.discriminatedUnion('do', [
  /** Answers the question for gateways, which is held back until then: the start of the work. */
  z.object({ do: z.literal('go'), gateways: z.array(z.unknown()) }),
  /** Says `complete` once so many different mails have come. */
  z.object({ do: z.literal('expect'), mails: z.number() }),
  /** Sends send requests, `window` of them unanswered at any time, and says `answered` at the end. */
  z.object({ do: z.literal('send'), batch: sendRequests }),
]);
export type Command = z.infer<typeof command>;

export const report = z.discriminatedUnion('is', [
  z.object({ is: z.literal('listening'), port: z.number() }),
  /** Somebody has logged in and asks for its gateways. */
  z.object({ is: z.literal('asked') }),
  /** `seen`: by Message-ID, when it came first (ms of the monotonic clock of the machine); `repeats`: how many came again. */
  z.object({ is: z.literal('complete'), seen: z.record(z.string(), z.number()), repeats: z.number() }),
  /** `ms` from the first send request to the last answer; `failures`: what was answered to those that were not sent. */
  z.object({ is: z.literal('answered'), ms: z.number(), failures: z.array(z.string()) }),
]);
export type Report = z.infer<typeof report>;
