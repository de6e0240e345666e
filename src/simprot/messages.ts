// The contents of the MSGs: names, members, limits and what is accepted.
// Source: FrontStage, "WebSite module integration", section "API for external messaging applications".
import { z } from 'zod';

export { problemsOf } from '../kit/schema-problems.js';

import {
  CHANNELS,
  type Channel,
  type CommandInfo,
  type Direction,
  type GatewayInfo,
  type MessageContentInfo,
} from '../model/message.js';

/** The MSG names this connector and its embedded server speak. Everything else in the same frames is ignored and counted. */
export const MSG = {
  login: 'ES_LOGIN',
  loginAnswer: 'SE_LOGIN',
  ping: 'ES_PING',
  pong: 'SE_PONG',
  getGateways: 'ES_SL_GETGATEWAYS',
  gateways: 'SE_SL_MSGGATEWAYS',
  receiving: 'ES_MESSAGE_RECEIVING',
  received: 'SE_MESSAGE_RECEIVED',
  sending: 'SE_MESSAGE_SENDING',
  sent: 'ES_MESSAGE_SENT',
} as const;

/** The server's patience, ms: a send request not answered in this time counts as failed and is repeated. */
export const SEND_LIMIT_MS = 90_000;

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const guid = z
  .string()
  .transform((text) =>
    text
      .trim()
      .replace(/^\{(.*)\}$/, '$1')
      .toLowerCase(),
  )
  .refine((text) => GUID.test(text), 'is not a GUID (8-4-4-4-12 hexadecimal digits)');

/** ISO 8601 with any offset and any number of fraction digits, or a native timestamp; becomes ISO 8601 UTC with ms. */
export const dateTime = z.union([z.string(), z.date()]).transform((value, context) => {
  const text = typeof value === 'string' ? withZone(value.trim()) : value;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) {
    context.addIssue({ code: 'custom', message: 'is not an ISO 8601 time' });
    return z.NEVER;
  }
  return time.toISOString();
});

const DAY = /^\d{4}-\d{2}-\d{2}/;
const ZONE = /(?:Z|[+-]\d{2}:?\d{2})$/i;

/** A time without any zone is UTC: every time of the protocol is. Fraction digits beyond ms are cut. */
function withZone(text: string): string {
  // The engine's own parser would take a lone "1" for a year, and a blank in place of the T for local time.
  if (!DAY.test(text)) return '';
  const plain = text.replace(/^(.{10})[ t]/, '$1T').replace(/[.,](\d{1,3})\d*/, '.$1');
  if (plain.length === 10 || ZONE.test(plain)) return plain;
  return /[+-]\d{2}$/.test(plain) ? `${plain}:00` : `${plain}Z`;
}

const text = z.string().nullish();
const integer = z.number().int().nullish();

export const messageContentInfo = z.object({
  DeliverySystemId: text,
  InReplyToId: text,
  MessageId: guid.nullish(),
  RequestId: text,
  GatewayId: guid,
  FromField: text,
  RemoteAddress: text,
  ToField: text,
  ToCcField: text,
  ToBccField: text,
  Direction: text,
  ExtendedFields: text,
  ReceivedSentTime: dateTime.nullish(),
  DraftTime: dateTime.nullish(),
  SubjectField: text,
  BodyHtml: text,
  BodyText: text,
  Culture: text,
  Mark: integer,
  SpamLevel: integer,
  SignatureValidity: integer,
  Hierarchy: integer,
  Rating: integer,
}) satisfies z.ZodType<MessageContentInfo, unknown>;

export const commandInfo = z.object({
  Id: guid.nullish(),
  RefId: guid.nullish(),
  TimeStamp: dateTime.nullish(),
  Reference: text,
  // A site that sends a real boolean means the same as one that sends its text.
  Data: z.union([z.string(), z.boolean().transform(String)]).nullish(),
}) satisfies z.ZodType<CommandInfo, unknown>;

/** Numbers for Channel are the vendor's and unpublished, hence a table that a site can set. */
export type ChannelTable = Readonly<Record<number, Channel>>;
export const DEFAULT_CHANNEL_TABLE: ChannelTable = { 0: 'Email', 1: 'SMS', 2: 'Fax', 3: 'SocialMsg', 4: 'SocialWall' };

export function gatewayInfo(channels: ChannelTable = DEFAULT_CHANNEL_TABLE): z.ZodType<GatewayInfo, unknown> {
  const channel = z.union([z.string(), z.number()]).transform((value, context): Channel => {
    const found =
      typeof value === 'number' ? channels[value] : CHANNELS.find((name) => name.toLowerCase() === value.toLowerCase());
    if (found) return found;
    context.addIssue({ code: 'custom', message: `is "${value}", not one of ${CHANNELS.join(', ')}` });
    return z.NEVER;
  });
  const direction = z.string().transform((value, context): Direction => {
    const upper = value.toUpperCase();
    if (upper === 'I' || upper === 'O') return upper;
    context.addIssue({ code: 'custom', message: `is "${value}", not I or O` });
    return z.NEVER;
  });
  return z.object({
    Id: guid,
    DisplayName: text,
    PeerAddress: text,
    PeerPort: text,
    Channel: channel,
    Direction: direction,
    Device: z.string(),
    LanguageId: guid.nullish(),
  });
}

export const login = z.object({
  Account: z.string(),
  Password: z.string(),
  Application: z.string().nullish(),
  PeerAddress: z.array(z.string()).default([]),
  Instance: z.string().nullish(),
  Profile: z.string().nullish(),
});
export type Login = z.infer<typeof login>;

export const loginAnswer = z.object({
  Success: z.boolean(),
  /** Seconds. */
  KeepAlive: z.number().positive().nullish(),
  Reason: text,
});
