import type { Clock } from '../../kit/clock.js';
import type { Committer } from '../db/group-commit.js';
import type { Database } from '../db/sql.js';
import type { Blobs } from '../storage/blobs.js';

export interface InboundDeps {
  database: Database;
  commits: Committer;
  blobs: Blobs;
  clock: Clock;
  /** Makes a GUID. */
  guid: () => string;
}
