/**
 * pending -> acknowledged -> confirmed     the usual way
 * pending -> quarantined -> pending        the server kept rejecting the message; an operator may requeue it
 * quarantined -> acknowledged              a late acknowledgement still counts
 * skipped                                  was in the mailbox before the gateway's first start; never handed over
 * A pending message may be deferred: its sender was told to come again later, and reconciliation leaves it out until then.
 * There is no other transition.
 */
export type InboundState = 'pending' | 'acknowledged' | 'confirmed' | 'quarantined' | 'skipped';

/**
 * The state of an outbound message is a fold over its attempts:
 * accepted    no attempt yet
 * sending     an attempt is running
 * sent        one attempt is known to have gone out
 * unknown     an attempt may have gone out: neither a later failure nor a restart changes that, only a lookup, a delivery
 *             receipt, the gateway's WhenUncertain policy or an operator
 * partial     some recipients accepted, the others did not
 * failed      every attempt is known not to have gone out
 */
export type OutboundState = 'accepted' | 'sending' | 'sent' | 'partial' | 'failed' | 'unknown';
