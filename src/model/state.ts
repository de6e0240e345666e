/**
 * pending -> acknowledged -> confirmed     the usual way
 * pending -> quarantined -> pending        the server rejected the message repeatedly; an operator may requeue it
 * quarantined -> acknowledged              a late acknowledgement still counts
 * skipped                                  was in the mailbox before the gateway's first start; never handed over
 * A pending message may be deferred: its sender was told to come again later, and reconciliation leaves it out until then.
 * There is no other transition.
 */
export type InboundState = 'pending' | 'acknowledged' | 'confirmed' | 'quarantined' | 'skipped';

/**
 * One attempt to send an outbound message:
 * sending -> sent | partial | deferred | rejected | unknown
 * unknown -> sent | partial | deferred | rejected      by a late outcome, a lookup, a receipt, the policy or an operator
 * deferred and rejected: the message is known not to have gone out. No other transition exists.
 */
export type AttemptState = 'sending' | 'sent' | 'partial' | 'deferred' | 'rejected' | 'unknown';

/**
 * An outbound message; its state follows from its attempts alone:
 * accepted   no attempt yet
 * sent       one attempt is known to have gone out; final
 * sending    an attempt is running
 * unknown    an attempt may have gone out: neither a later failure nor a restart changes that, only a lookup, a delivery
 *            receipt, the gateway's WhenUncertain policy or an operator
 * partial    some recipients have the message, and no attempt is unknown
 * failed     every attempt is known not to have gone out
 */
export type OutboundState = 'accepted' | 'sending' | 'sent' | 'partial' | 'failed' | 'unknown';
