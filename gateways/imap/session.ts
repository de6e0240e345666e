// What a driver session knows about its mailbox.
import type { GatewayContext } from '../../src/driver/contract.js';
import type { AckBatcher } from './ack-batcher.js';
import type { Connection } from './connection.js';
import type { MailboxRef } from './identity.js';
import type { Settings } from './settings.js';

/**
 * A mail that was listed and is not settled yet:
 *   listed       not handed out yet -> offered, gone from this table, or unfetchable; when the server is out of order, it stays listed
 *   offered      handed to the pipeline -> done, failed, rejected, or gone from this table when the folder lost it
 *   done         the confirm went through -> settled (out of the table) once the journal says "confirmed", too
 *   failed       the confirm did not go through -> offered again, without content, at the next poll
 *   rejected     in quarantine and still in the folder -> offered again when an operator has released it
 *   unfetchable  the server does not hand it out, though it does others -> listed again after a pause that grows
 */
export type MailState = 'listed' | 'offered' | 'done' | 'failed' | 'rejected' | 'unfetchable';

/** A mail over which the connection may have broken; see suspects.ts. */
export interface Suspect {
  /** How often the connection broke while this mail was fetched alone. */
  readonly breaks: number;
  /** How often the server did not hand it out although it handed out others. */
  readonly refusals: number;
  /** When the last of both was, ms. */
  readonly at: number;
}

export interface Session {
  readonly context: GatewayContext<Settings>;
  readonly connection: Connection;
  readonly mailboxRef: MailboxRef;
  /** UIDs from here on came after the folder was selected (UIDNEXT). */
  readonly uidNext: number;
  readonly acks: AckBatcher;
  /** By UID. Bounded by the mails in the folder. */
  readonly mails: Map<number, MailState>;
  /** By UID. */
  readonly suspects: Map<number, Suspect>;
  /** Every mail up to this UID was listed. */
  cursor: number;
  /** False once the server has rejected IDLE, or ended it at once too often. */
  usesIdle: boolean;
  /** How often in a row the server has ended IDLE at once. */
  uselessIdles: number;
  /** When the folder was selected last, monotonic ms. */
  selectedAt: number;
}
