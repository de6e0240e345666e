import type { Config } from '../config.js';
import type { LinkSigner } from '../http/links.js';
import type { PrometheusMetrics } from '../http/metrics.js';
import type { PublicUrl } from '../http/public-url.js';
import type { JournalOptions } from '../journal/open.js';
import type { Journal } from '../journal/types/journal.js';
import type { Clock, Random } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Redactor } from '../kit/redact.js';
import type { DriverTable } from '../pipeline/gateways/config.js';
import type { ServerLink } from '../pipeline/server/link.js';

/** Orchestrators kill 10 s after they asked to stop; the journal's time comes on top of the total. */
export const STOP = {
  totalMs: 8_500,
  /** What is under way gets this long. */
  graceMs: 6_000,
  gatewaysMs: 8_000,
  partMs: 1_000,
  httpMs: 2_500,
  journalMs: 1_000,
} as const;

export const MB = 1024 * 1024;

export interface Platform {
  clock: Clock;
  random: Random;
  log: Log;
  redactor: Redactor;
  env: Readonly<Record<string, string | undefined>>;
  drivers: DriverTable;
  /** Opens the journal on a thread of its own; on this thread, and so on this clock, when absent. */
  openJournal?: (url: string, options: JournalOptions) => Promise<Journal>;
}

/** What most builders need. */
export interface Common {
  config: Config;
  platform: Platform;
  journal: Journal;
  /** Whether a disk is below its reserve. */
  diskFull(): Promise<boolean>;
  metrics: PrometheusMetrics;
  address: PublicUrl;
  signer: LinkSigner;
  serverLink: ServerLink;
  /** Aborts when no answer can be written any more. */
  life: AbortController;
}
