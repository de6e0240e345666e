// The schemas of the settings that are objects: conditions on answers, the layout of pushes, their authentication.
import { z } from '../../src/driver/settings.js';
import { pushPath } from './value-path.js';

const statuses = z
  .array(z.int().min(200).max(599), { error: 'Status is a list of numbers from 200 to 599' })
  .min(1, 'Status is an empty list');
const words = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(50)], {
    error: 'Text is the beginning of an answer, or a list of them',
  })
  .transform((given) => [given].flat());
const scalar = z.union([z.string(), z.number(), z.boolean()]);

const values = z.record(
  z.string().min(1),
  z
    .union([scalar, z.array(scalar).min(1)], { error: 'Json is an object: a path, and its value or a list of values' })
    .transform((given) => [given].flat().map(String)),
  { error: 'Json is an object: a path, and its value or a list of values' },
);

/** Conditions on an answer. */
export const match = z.strictObject(
  {
    Status: statuses.optional(),
    Text: words.optional(),
    Json: values.optional(),
  },
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `has no member ${issue.keys.join(', ')}: there are Status, Text and Json`
        : 'is an object with Status (list of numbers), Text (beginning of the answer) and Json (path: value)',
  },
);
export type Match = z.output<typeof match>;

const method = z.enum(['GET', 'POST', 'PUT'], { error: 'Method must be "GET", "POST" or "PUT"' });
const list = z
  .string()
  .regex(/^json:\S+$/, 'List must be "json:PATH" of an array')
  .optional();

function pushSchema<Shape extends Record<string, z.ZodType>>(shape: Shape) {
  const names = Object.keys(shape).join(', ');
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `has no member ${issue.keys.join(', ')}: there are ${names}`
        : `is an object with ${names}`,
  });
}

export const receiveFrom = pushSchema({
  Method: method.optional(),
  List: list,
  From: pushPath('From'),
  To: pushPath('To').optional(),
  Text: pushPath('Text'),
  Charset: pushPath('Charset').optional(),
  Id: pushPath('Id').optional(),
  Time: pushPath('Time').optional(),
  Media: z
    .string()
    .regex(/^json:\S+$/, 'Media must be "json:PATH" of one address or a list of them')
    .optional(),
});
export type ReceiveFrom = z.output<typeof receiveFrom>;

const state = z.enum(['accepted', 'sent', 'delivered', 'undelivered'], {
  error: 'States must lead to "accepted", "sent", "delivered" or "undelivered"',
});

export const receiptFrom = pushSchema({
  Method: method.optional(),
  List: list,
  Id: pushPath('Id'),
  State: pushPath('State'),
  States: z.record(z.string(), state, { error: 'needs "States": the words of the gateway and what they mean' }),
  Detail: pushPath('Detail').optional(),
  Time: pushPath('Time').optional(),
});
export type ReceiptFrom = z.output<typeof receiptFrom>;

const named = (member: string) =>
  z.string({ error: `needs "${member}"` }).regex(/^[\w.-]{1,100}$/, `${member} is not a name of a header or parameter`);

export const authenticate = z.discriminatedUnion(
  'Kind',
  [
    z.strictObject({ Kind: z.literal('Secret'), Header: named('Header').optional(), Query: named('Query').optional() }),
    z.strictObject({ Kind: z.literal('Basic'), User: z.string({ error: 'needs "User"' }).min(1).max(200) }),
    z.strictObject({
      Kind: z.literal('Hmac'),
      Header: named('Header'),
      Algorithm: z.enum(['sha256', 'sha1', 'sha512']).default('sha256'),
      Encoding: z.enum(['hex', 'base64']).default('hex'),
      Prefix: z.string().max(50).default(''),
      Over: z.enum(['Body', 'UrlAndBody']).default('Body'),
      Timestamp: named('Timestamp').optional(),
      Signed: z
        .string()
        .max(200)
        .regex(/\{body\}/, 'Signed has no {body}')
        .optional(),
      ToleranceSeconds: z.int().min(10).max(86_400).default(86_400),
    }),
  ],
  {
    error:
      'has a Kind: "Secret" (with Header or Query), "Basic" (with User) or "Hmac" (with Header, and Algorithm, Encoding, Prefix, Over, Timestamp, Signed, ToleranceSeconds)',
  },
);
export type Authenticate = z.output<typeof authenticate>;
export type Hmac = Extract<Authenticate, { Kind: 'Hmac' }>;

/** Whether the signature covers the address, and so the query. */
export function coversUrl({ Over, Signed }: Hmac): boolean {
  return Signed === undefined ? Over === 'UrlAndBody' : Signed.includes('{url}');
}

export const replyWith = z.strictObject(
  {
    Status: z.int().min(200).max(299).default(200),
    Body: z.string().max(10_000).default(''),
    ContentType: z
      .string()
      .regex(/^[\w.+-]+\/[\w.+-][\x20-\x7e]*$/, 'ContentType is not one')
      .default('text/plain; charset=utf-8'),
  },
  { error: 'is an object with Status (200 to 299), Body and ContentType' },
);
