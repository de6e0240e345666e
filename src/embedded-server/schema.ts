// The tables of the store, versioned by PRAGMA user_version.
import { GatepostError } from '../kit/errors.js';
import { type Sqlite, transaction } from '../kit/sqlite.js';

/**
 * Members of MessageContentInfo are columns of their own names, as in FrontStage's Message table; columns in lower case are ours.
 * Times of the protocol are ISO text, ours are ms since the epoch. Never edit an entry: add one.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE message (
    MessageId TEXT NOT NULL PRIMARY KEY,
    RequestId TEXT,
    GatewayId TEXT NOT NULL,
    DeliverySystemId TEXT NOT NULL,
    InReplyToId TEXT,
    FromField TEXT,
    RemoteAddress TEXT NOT NULL,
    ToField TEXT,
    ToCcField TEXT,
    ToBccField TEXT,
    Direction TEXT NOT NULL CHECK (Direction IN ('I', 'O')),
    ExtendedFields TEXT,
    ReceivedSentTime TEXT,
    DraftTime TEXT,
    SubjectField TEXT,
    BodyHtml TEXT,
    BodyText TEXT,
    Culture TEXT,
    Mark INTEGER,
    SpamLevel INTEGER,
    SignatureValidity INTEGER,
    Hierarchy INTEGER,
    Rating INTEGER,
    state TEXT NOT NULL CHECK (state IN ('New', 'Read', 'Answered', 'Queued', 'Sending', 'Sent', 'Failed')),
    channel TEXT NOT NULL,
    answers TEXT REFERENCES message (MessageId),
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    peer_address TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    tried_at INTEGER
  ) STRICT;
  CREATE UNIQUE INDEX message_request ON message (RequestId) WHERE Direction = 'I' AND RequestId IS NOT NULL;
  CREATE INDEX message_delivery ON message (GatewayId, DeliverySystemId) WHERE Direction = 'I';
  CREATE INDEX message_listed ON message (Direction, created_at);
  CREATE INDEX message_due ON message (due_at) WHERE state = 'Queued';
  CREATE INDEX message_tried ON message (tried_at) WHERE state = 'Sending';

  CREATE TABLE message_event (
    id INTEGER PRIMARY KEY,
    message TEXT REFERENCES message (MessageId),
    at INTEGER NOT NULL,
    text TEXT NOT NULL
  ) STRICT;
  CREATE INDEX message_event_message ON message_event (message, id);

  CREATE TABLE asking (
    message TEXT NOT NULL REFERENCES message (MessageId),
    connector TEXT NOT NULL,
    asked INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    PRIMARY KEY (message, connector)
  ) STRICT;

  CREATE TABLE gateway (
    id TEXT NOT NULL,
    direction TEXT NOT NULL,
    channel TEXT NOT NULL,
    display_name TEXT NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (id, direction)
  ) STRICT;

  CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
  `,
  // Null in rows of before: their content is compared as it is stored.
  `
  ALTER TABLE message ADD COLUMN content_hash BLOB;
  DROP INDEX message_delivery;
  CREATE INDEX message_delivery ON message (GatewayId, DeliverySystemId, content_hash) WHERE Direction = 'I';
  `,
];

/** Brings the tables up to date, in one transaction, so that two processes opening at once do it once. */
export function migrate(database: Sqlite, path: string): void {
  if (versionOf(database) === MIGRATIONS.length) return;
  transaction(database, () => {
    const version = versionOf(database);
    if (version > MIGRATIONS.length) {
      throw new GatepostError(
        'embedded-server/newer-store',
        `the embedded server's store ${path} was made by a newer Gatepost`,
        {
          advice: 'Update Gatepost, or name another file.',
        },
      );
    }
    for (const sql of MIGRATIONS.slice(version)) database.exec(sql);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

function versionOf(database: Sqlite): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
}
