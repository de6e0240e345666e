// What the desk commands read from the store: lists, one message whole, the gateways, whether a server is running.
import { z } from 'zod';
import type { Sqlite } from '../kit/sqlite.js';
import { CHANNELS, type Channel, type Direction } from '../model/message.js';

const state = z.enum(['New', 'Read', 'Answered', 'Queued', 'Sending', 'Sent', 'Failed']);
const direction = z.enum(['I', 'O']);
const channel = z.enum(CHANNELS);
const text = z.string().nullable();

const summaryRow = z.object({
  MessageId: z.string(),
  GatewayId: z.string(),
  Direction: direction,
  FromField: text,
  RemoteAddress: z.string(),
  SubjectField: text,
  state,
  channel,
  created_at: z.number(),
  changed_at: z.number(),
  tries: z.number(),
});
/** One line of a list. */
export type MessageSummary = z.infer<typeof summaryRow>;

const wholeRow = summaryRow.extend({
  RequestId: text,
  DeliverySystemId: z.string(),
  InReplyToId: text,
  ToField: text,
  ToCcField: text,
  ToBccField: text,
  ReceivedSentTime: text,
  DraftTime: text,
  BodyHtml: text,
  BodyText: text,
  Culture: text,
  SpamLevel: z.number().nullable(),
  SignatureValidity: z.number().nullable(),
  answers: text,
});
export type StoredMessage = z.infer<typeof wholeRow>;

const gatewayRow = z.object({ id: z.string(), direction, channel, display_name: z.string() });
const metaRow = z.object({ value: z.string() }).optional();
const heartbeat = z.object({ at: z.number(), since: z.number().optional(), connectors: z.number() });
export type Heartbeat = z.infer<typeof heartbeat>;

/** What the desk needs to know of a gateway; no device, for it may hold passwords. */
export interface DeskGateway {
  id: string;
  direction: Direction;
  channel: Channel;
  displayName: string;
}

export interface Reading {
  /** Newest first. */
  list(direction: Direction, limit: number): MessageSummary[];
  count(direction: Direction): number;
  /** Ids that begin so, a few at most; compared without case. */
  idsLike(prefix: string): string[];
  message(id: string): StoredMessage | undefined;
  gateways(): DeskGateway[];
  setGateways(gateways: readonly DeskGateway[]): void;
  /** The sign of life of a running embedded server; null when there never was one, or it went down in order. */
  heartbeat(): Heartbeat | null;
  beat(sign: Heartbeat | null): void;
  /** New -> Read, or either -> Answered; other steps are left out. */
  mark(id: string, state: 'Read' | 'Answered', at: number): void;
}

export function reading(database: Sqlite): Reading {
  const sql = prepare(database);
  return {
    list: (of, limit) => sql.list.all(of, limit).map((row) => summaryRow.parse(row)),
    count: (of) => Number(sql.count.get(of)?.n ?? 0),
    idsLike: (prefix) => sql.ids.all(prefix.toLowerCase()).map((row) => String(row.MessageId)),
    message: (id) => wholeRow.optional().parse(sql.message.get(id)),
    gateways: () => sql.gateways.all().map((row) => toGateway(row)),
    setGateways(gateways) {
      sql.forget.run();
      gateways.forEach(({ id, direction, channel, displayName }, place) => {
        sql.remember.run({ id, direction, channel, displayName, place });
      });
    },
    heartbeat() {
      const row = metaRow.parse(sql.meta.get('heartbeat'));
      return row ? heartbeat.nullable().parse(JSON.parse(row.value)) : null;
    },
    beat: (sign) => void sql.setMeta.run('heartbeat', JSON.stringify(sign)),
    mark(id, to, at) {
      if (to === 'Read') sql.read.run(at, id);
      else sql.answered.run(at, id);
    },
  };
}

function prepare(database: Sqlite) {
  return {
    list: database.prepare(
      `SELECT ${Object.keys(summaryRow.shape).join(', ')} FROM message WHERE Direction = ? ORDER BY created_at DESC, rowid DESC LIMIT ?`,
    ),
    count: database.prepare('SELECT count(*) AS n FROM message WHERE Direction = ?'),
    ids: database.prepare(
      'SELECT MessageId FROM message WHERE substr(MessageId, 1, length(?1)) = ?1 ORDER BY MessageId LIMIT 5',
    ),
    message: database.prepare('SELECT * FROM message WHERE MessageId = ?'),
    gateways: database.prepare('SELECT id, direction, channel, display_name FROM gateway ORDER BY place'),
    forget: database.prepare('DELETE FROM gateway'),
    remember: database.prepare(
      `INSERT INTO gateway (id, direction, channel, display_name, place) VALUES (:id, :direction, :channel, :displayName, :place)`,
    ),
    meta: database.prepare('SELECT value FROM meta WHERE name = ?'),
    setMeta: database.prepare(
      'INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    ),
    read: database.prepare(`UPDATE message SET state = 'Read', changed_at = ? WHERE MessageId = ? AND state = 'New'`),
    answered: database.prepare(
      `UPDATE message SET state = 'Answered', changed_at = ? WHERE MessageId = ? AND state IN ('New', 'Read')`,
    ),
  };
}

function toGateway(row: unknown): DeskGateway {
  const { display_name, ...rest } = gatewayRow.parse(row);
  return { ...rest, displayName: display_name };
}
