// Owns where it goes what the SMSC pushes to an account: texts to an I gateway, receipts to the O gateway that sent the
// message. While there is none for it, the SMSC hears "not now" and keeps it.
import { type GatewayContext, messageOf } from '../../../src/driver/contract.js';
import type { Pdu } from '../pdu/pdu.js';
import { STATUS } from '../pdu/status.js';
import { isReceipt } from '../receipts/receipt.js';
import {
  type Addressed,
  addressee,
  type Member,
  ownerAmong,
  receiversAmong,
  type Sender,
  sendersAmong,
} from './account-members.js';
import type { Wire } from './connection.js';
import { COMPANY_MS } from './peers.js';

export interface Routing {
  /** A request of the SMSC: it is answered here or by the gateway that gets it. */
  take(pdu: Pdu, wire: Wire): void;
  /** Members were added. */
  joined(): void;
  /** One has gone, and may come back. */
  left(): void;
}

interface RoutingDeps extends Pick<GatewayContext<unknown>, 'clock' | 'log' | 'inputRejected'> {
  readonly members: ReadonlySet<Member>;
}

/** Ms without any O gateway after which receipts are of somebody else's messages: taken and dropped, or they would block the rest. */
const ORPHANED_MS = 300_000;

export function routingOf({ members, clock, log, inputRejected }: RoutingDeps): Routing {
  let senderSeen = clock.monotonic();
  /** When a gateway left, or all were opened anew. */
  let changedAt = clock.monotonic();

  function hand(found: Addressed<Member> | undefined, all: readonly Member[], pdu: Pdu, wire: Wire): void {
    if (found && members.has(found.to) && (found.isSure || isComplete(all))) found.to.onPush(pdu, wire);
    else wire.answer(pdu, STATUS.temporary);
  }

  /** False while a gateway that goes the same way is likely to come (back) in a moment. */
  function isComplete(present: readonly Member[]): boolean {
    if (present.every(({ company }) => company.count <= present.length)) return true;
    if (clock.monotonic() - changedAt < COMPANY_MS) return false;
    for (const { company } of present) company.saw(present.length);
    return true;
  }

  async function handToOwner(senders: readonly Sender[], pdu: Pdu, wire: Wire): Promise<void> {
    try {
      hand(await ownerAmong(senders, pdu), senders, pdu, wire);
    } catch (error) {
      log.warn({ error: messageOf(error) }, 'it cannot be told whose a receipt is; the SMSC keeps it');
      wire.answer(pdu, STATUS.temporary);
    }
  }

  function receipt(senders: readonly Sender[], pdu: Pdu, wire: Wire): void {
    const [first] = senders;
    if (first && first.company.count === 1) first.onPush(pdu, wire);
    else if (first) void handToOwner(senders, pdu, wire);
    else refuseReceipt(pdu, wire);
  }

  function refuseReceipt(pdu: Pdu, wire: Wire): void {
    const dropped = clock.monotonic() - senderSeen > ORPHANED_MS;
    if (dropped) {
      inputRejected('unwanted');
      log.debug({}, 'a receipt came though no gateway sends on this account; it is dropped');
    }
    wire.answer(pdu, dropped ? STATUS.ok : STATUS.temporary);
  }

  return {
    take(pdu, wire) {
      const senders = sendersAmong(members);
      if (senders.length > 0) senderSeen = clock.monotonic();
      if (pdu.command !== 'deliver_sm' && pdu.command !== 'data_sm') {
        inputRejected('unknown_command');
        wire.answer(pdu, STATUS.invalidCommand);
        return;
      }
      if (isReceipt(pdu)) return receipt(senders, pdu, wire);
      const receivers = receiversAmong(members);
      hand(addressee(receivers, pdu), receivers, pdu, wire);
    },
    joined() {
      const senders = sendersAmong(members);
      for (const those of [senders, receiversAmong(members)])
        for (const { company } of those) company.saw(Math.max(company.count, those.length));
      // From the second on, each remembers for longer what is its own.
      if (senders.length > 1) for (const { owner } of senders) owner.shared();
    },
    left() {
      changedAt = clock.monotonic();
    },
  };
}
