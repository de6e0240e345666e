// Inbound messages are stored once each, whatever a connector repeats.
import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Sqlite } from '../kit/sqlite.js';
import type { Channel, MessageContentInfo } from '../model/message.js';
import { messageContentInfo } from '../simprot/messages.js';
import { type Events, storable } from './events.js';

/** A message that was accepted (see inbound.ts), with its gateway's channel. */
export interface Incoming {
  message: MessageContentInfo & { DeliverySystemId: string; RemoteAddress: string };
  channel: Channel;
}

export type TakeResult =
  | { kind: 'stored' | 'known'; messageId: string }
  /** The RequestId belongs to another message already: taking it would lose one of the two. */
  | { kind: 'clash'; reason: string };

export interface Inbox {
  /** Takes it, once, inside the caller's transaction. */
  take(incoming: Incoming, at: number): TakeResult;
}

const MEMBERS = Object.keys(messageContentInfo.shape);
const knownRow = z.object({ MessageId: z.string(), GatewayId: z.string(), DeliverySystemId: z.string() }).optional();

/** The insert that both directions use: all members, then our own columns. */
export function insertMessage(database: Sqlite, own: readonly string[]): (values: Record<string, unknown>) => void {
  const columns = [...MEMBERS, ...own];
  const insert = database.prepare(
    `INSERT INTO message (${columns.join(', ')}) VALUES (${columns.map((name) => `:${name}`).join(', ')})`,
  );
  return (values) => void insert.run(Object.fromEntries(columns.map((name) => [name, bindable(values[name])])));
}

export function inbox(database: Sqlite, log: Events): Inbox {
  const byRequest = database.prepare(
    `SELECT MessageId, GatewayId, DeliverySystemId FROM message WHERE Direction = 'I' AND RequestId = ?`,
  );
  const byContent = contentLookup(database);
  const insert = insertMessage(database, ['state', 'channel', 'created_at', 'changed_at', 'content_hash']);

  const take = ({ message, channel }: Incoming, at: number): TakeResult => {
    const requestId = message.RequestId ? storable(message.RequestId.trim().toLowerCase()) : null;
    const deliverySystemId = storable(message.DeliverySystemId);
    const asked = requestId === null ? undefined : knownRow.parse(byRequest.get(requestId));
    if (asked && (asked.GatewayId !== message.GatewayId || asked.DeliverySystemId !== deliverySystemId)) {
      return { kind: 'clash', reason: `its RequestId ${requestId} was used for message ${asked.MessageId} already` };
    }
    const content_hash = contentHash(message);
    const known = asked ?? byContent({ gatewayId: message.GatewayId, deliverySystemId, hash: content_hash });
    if (known) {
      log.add(known.MessageId, at, `handed over again (RequestId ${requestId ?? 'none'}); it was here already`);
      return { kind: 'known', messageId: known.MessageId };
    }
    const MessageId = randomUUID();
    const fixed = {
      MessageId,
      RequestId: requestId,
      Direction: 'I',
      state: 'New',
      channel,
      created_at: at,
      changed_at: at,
      content_hash,
    };
    insert({ ...message, ...fixed });
    log.add(MessageId, at, 'received');
    return { kind: 'stored', messageId: MessageId };
  };

  return { take };
}

/** What a customer wrote, and to whom. What a connector adds when it hands the message over (times, marks) is left out. */
const CONTENT = [
  'FromField',
  'RemoteAddress',
  'ToField',
  'ToCcField',
  'ToBccField',
  'DraftTime',
  'SubjectField',
  'InReplyToId',
  'BodyHtml',
  'BodyText',
] as const;

/** Old rows under one Message-ID that are compared: a connector that lost its journal repeats few of each. */
const MOST_OLD_ROWS = 100;
const contentRow = knownRow.unwrap().catchall(z.unknown());

function contentHash(message: object): Buffer {
  const values = CONTENT.map((name) => bindable(Reflect.get(message, name)));
  return createHash('sha256').update(JSON.stringify(values)).digest();
}

/**
 * Recognizes a message whose RequestId is new, because its connector lost its journal. A Message-ID proves nothing, senders
 * copy and forge them: only the same content is the same message.
 */
function contentLookup(database: Sqlite) {
  const byHash = database.prepare(
    `SELECT MessageId, GatewayId, DeliverySystemId FROM message
     WHERE Direction = 'I' AND GatewayId = ? AND DeliverySystemId = ? AND content_hash = ?`,
  );
  const withoutHash = database.prepare(
    `SELECT MessageId, GatewayId, DeliverySystemId, ${CONTENT.join(', ')} FROM message
     WHERE Direction = 'I' AND GatewayId = ? AND DeliverySystemId = ? AND content_hash IS NULL LIMIT ${MOST_OLD_ROWS}`,
  );
  return ({ gatewayId, deliverySystemId, hash }: { gatewayId: string; deliverySystemId: string; hash: Buffer }) => {
    const known = knownRow.parse(byHash.get(gatewayId, deliverySystemId, hash));
    if (known) return known;
    const old = withoutHash.all(gatewayId, deliverySystemId).map((row) => contentRow.parse(row));
    return old.find((row) => contentHash(row).equals(hash));
  };
}

function bindable(value: unknown): string | number | Buffer | null {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === 'string') return storable(value);
  return typeof value === 'number' ? value : null;
}
