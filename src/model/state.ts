/**
 * open -> acknowledged -> confirmed          the straight way
 * open -> quarantined -> open                the server kept refusing it, or it could not be read; a person may retry it
 * quarantined -> acknowledged                an ack that came late still counts
 * ignored                                    was in the mailbox before the gateway's first start; never handed over
 * An open one may be postponed: its sender was told to come again later, and until it does nobody waits for it here.
 * No other step exists, and none leads back.
 */
export type InboundState = 'pending' | 'acknowledged' | 'confirmed' | 'quarantined' | 'skipped';

/**
 * accepted -> begun -> sent | partial | failed | unknown
 * failed, partial -> accepted        the server repeats the outbound message: a fresh attempt (partial: for the others only)
 * unknown -> sent | failed | accepted   resolved by lookup, by news, by policy or by a person
 * A begun order whose process died is unknown; `recover` finds those.
 */
export type OutboundState = 'accepted' | 'sending' | 'sent' | 'partial' | 'failed' | 'unknown';
