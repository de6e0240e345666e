// Owns who shares an account, and whose it is what the SMSC pushes: a text is its addressee's, a receipt that of the gateway
// that sent the message.

import type { Pdu } from '../pdu/pdu.js';
import { digits } from '../receipts/id-format.js';
import { CLAIM, type Owner } from '../receipts/receipt-owner.js';
import type { SmppSettings } from '../settings.js';
import type { Role } from './bind.js';
import type { Wire } from './connection.js';
import type { Company } from './peers.js';

interface AnyMember {
  /** Of the gateway. */
  readonly id: string;
  readonly settings: SmppSettings;
  readonly company: Company;
  /** A text for an I gateway, a receipt for an O gateway: to be answered on this wire, sooner or later. */
  onPush(pdu: Pdu, wire: Wire): void;
  /** A connection is gone; another one is being made. */
  onLost(role: Role, why: string): void;
  /** Counts what the SMSC sent and was turned away. */
  inputRejected(reason: string): void;
}

export interface Receiver extends AnyMember {
  readonly direction: 'I';
}

export interface Sender extends AnyMember {
  readonly direction: 'O';
  readonly owner: Owner;
}

export type Member = Receiver | Sender;

/** By gateway id, so that "the first one" stays the same when one is opened anew. */
const byId = (one: AnyMember, other: AnyMember) => (one.id < other.id ? -1 : one.id > other.id ? 1 : 0);

export function sendersAmong(members: ReadonlySet<Member>): Sender[] {
  return [...members].filter((member) => member.direction === 'O').sort(byId);
}

export function receiversAmong(members: ReadonlySet<Member>): Receiver[] {
  return [...members].filter((member) => member.direction === 'I').sort(byId);
}

/** Whose a PDU is. `isSure`: not only because there is nobody else. */
export interface Addressed<To> {
  readonly to: To;
  readonly isSure: boolean;
}

/** The gateway with this number, else one that takes every number, else the first. */
export function addressee(members: readonly Receiver[], pdu: Pdu): Addressed<Receiver> | undefined {
  const number = digits(pdu.text('destination_addr'));
  const exact = members.find(
    ({ settings: { SourceAddress } }) => SourceAddress !== undefined && digits(SourceAddress) === number,
  );
  const to = exact ?? members.find(({ settings }) => settings.SourceAddress === undefined) ?? members[0];
  return to && { to, isSure: exact !== undefined };
}

/** The one whose the receipt is most surely, the first of equals. What was kept is asked for only when none is certain. */
export async function ownerAmong(senders: readonly Sender[], pdu: Pdu): Promise<Addressed<Sender> | undefined> {
  const claims = () => senders.map((to) => ({ to, claim: to.owner.claim(pdu) }));
  const certain = claims().find(({ claim }) => claim === CLAIM.certain);
  if (certain) return { to: certain.to, isSure: true };
  await Promise.all(senders.map(({ owner }) => owner.recall(pdu)));
  const [best] = claims().sort((one, other) => other.claim - one.claim);
  return best && { to: best.to, isSure: best.claim >= CLAIM.likely };
}
