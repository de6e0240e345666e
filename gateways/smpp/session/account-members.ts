// The gateways that share an account, and which of them a PDU of the SMSC belongs to: a text belongs to its addressee, a
// receipt to the gateway that sent the message.
import type { Pdu } from '../pdu/pdu.js';
import { digits } from '../receipts/id-format.js';
import { CLAIM, type ReceiptOwner } from '../receipts/receipt-owner.js';
import type { SmppSettings } from '../settings.js';
import type { Role } from './bind.js';
import type { Connection } from './connection.js';
import type { Peers } from './peers.js';

interface AnyMember {
  readonly gatewayId: string;
  readonly settings: SmppSettings;
  readonly peers: Peers;
  /** A connection is lost, and another one is being made. */
  onLost(role: Role, why: string): void;
  /** Counts rejected input of the SMSC. */
  inputRejected(reason: string): void;
}

export interface Receiver extends AnyMember {
  readonly direction: 'I';
  /** A text. The gateway responds on this connection, now or later. */
  onText(pdu: Pdu, connection: Connection): void;
}

export interface Sender extends AnyMember {
  readonly direction: 'O';
  readonly owner: ReceiptOwner;
  /** A receipt. The gateway responds on this connection. `isContested`: it may as well belong to another gateway. */
  onReceipt(pdu: Pdu, connection: Connection, isContested: boolean): void;
}

export type AccountMember = Receiver | Sender;

/** By gateway id, so that the first gateway stays the first when one is opened again. */
const byId = (one: AnyMember, other: AnyMember) =>
  one.gatewayId < other.gatewayId ? -1 : one.gatewayId > other.gatewayId ? 1 : 0;

export function sendersAmong(members: ReadonlySet<AccountMember>): Sender[] {
  return [...members].filter((member) => member.direction === 'O').sort(byId);
}

export function receiversAmong(members: ReadonlySet<AccountMember>): Receiver[] {
  return [...members].filter((member) => member.direction === 'I').sort(byId);
}

/** `isSure`: the gateway was not chosen only because no better one is there. */
export interface Addressed<To> {
  readonly to: To;
  readonly isSure: boolean;
  readonly isContested: boolean;
}

/** The gateway with this number, else one that takes every number, else the first. */
export function addressee(members: readonly Receiver[], pdu: Pdu): Addressed<Receiver> | undefined {
  const number = digits(pdu.text('destination_addr'));
  const exact = members.find(
    ({ settings: { SourceAddress } }) => SourceAddress !== undefined && digits(SourceAddress) === number,
  );
  const to = exact ?? members.find(({ settings }) => settings.SourceAddress === undefined) ?? members[0];
  return to && { to, isSure: exact !== undefined, isContested: false };
}

/** The gateway with the strongest claim, the first of equals. The stored ids are read only when no claim is certain. */
export async function ownerAmong(senders: readonly Sender[], pdu: Pdu): Promise<Addressed<Sender> | undefined> {
  const claims = () => senders.map((to) => ({ to, claim: to.owner.claim(pdu) }));
  const certain = claims().find(({ claim }) => claim === CLAIM.certain);
  if (certain) return { to: certain.to, isSure: true, isContested: false };
  await Promise.all(senders.map(({ owner }) => owner.recall(pdu)));
  const [best, second] = claims().sort((one, other) => other.claim - one.claim);
  if (!best) return undefined;
  const isContested = second?.claim === best.claim || best.claim === CLAIM.none;
  return { to: best.to, isSure: best.claim >= CLAIM.likely, isContested };
}
