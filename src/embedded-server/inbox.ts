// Inbound messages are stored once each, whatever a connector repeats.
import { randomUUID } from 'node:crypto';
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
  // A Message-ID alone is no proof: senders copy them. Sender, subject and the sender's own time say whether it is the same.
  const byDelivery = database.prepare(
    `SELECT MessageId, GatewayId, DeliverySystemId FROM message WHERE Direction = 'I' AND GatewayId = ? AND DeliverySystemId = ?
     AND RemoteAddress IS ? AND SubjectField IS ? AND DraftTime IS ?`,
  );
  const insert = insertMessage(database, ['state', 'channel', 'created_at', 'changed_at']);

  const take = ({ message, channel }: Incoming, at: number): TakeResult => {
    const requestId = message.RequestId ? storable(message.RequestId.trim().toLowerCase()) : null;
    const deliverySystemId = storable(message.DeliverySystemId);
    const asked = requestId === null ? undefined : knownRow.parse(byRequest.get(requestId));
    if (asked && (asked.GatewayId !== message.GatewayId || asked.DeliverySystemId !== deliverySystemId)) {
      return { kind: 'clash', reason: `its RequestId ${requestId} was used for message ${asked.MessageId} already` };
    }
    const same = [message.RemoteAddress, message.SubjectField, message.DraftTime].map(bindable);
    const known = asked ?? knownRow.parse(byDelivery.get(message.GatewayId, deliverySystemId, ...same));
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
    };
    insert({ ...message, ...fixed });
    log.add(MessageId, at, 'received');
    return { kind: 'stored', messageId: MessageId };
  };

  return { take };
}

function bindable(value: unknown): string | number | null {
  if (typeof value === 'string') return storable(value);
  return typeof value === 'number' ? value : null;
}
