// Which gateway of an account gets a PDU of the SMSC: texts go to an I gateway, receipts to the O gateway that sent the
// message. While that gateway is not open, the SMSC gets ESME_RX_T_APPN (not now) and keeps the PDU.
import { type GatewayContext, messageOf } from '../../../src/driver/contract.js';
import type { Pdu } from '../pdu/pdu.js';
import { STATUS } from '../pdu/status.js';
import { isReceipt, receiptForm } from '../receipts/receipt.js';
import {
  type AccountMember,
  type Addressed,
  addressee,
  ownerAmong,
  receiversAmong,
  type Sender,
  sendersAmong,
} from './account-members.js';
import type { Connection } from './connection.js';
import { PEER_WAIT_MS } from './peers.js';

interface RoutingDeps extends Pick<GatewayContext<unknown>, 'clock' | 'log' | 'inputRejected'> {
  readonly members: ReadonlySet<AccountMember>;
}

/** After this long without an O gateway, ms, receipts belong to messages of another application. They are accepted and
 *  dropped, because an SMSC may hold back the texts behind them. */
const NO_SENDER_MS = 300_000;

export class Routing {
  readonly #deps: RoutingDeps;
  #senderSeenAt: number;
  /** When a gateway left, or when the account was opened. */
  #changedAt: number;

  constructor(deps: RoutingDeps) {
    this.#deps = deps;
    this.#senderSeenAt = deps.clock.monotonic();
    this.#changedAt = deps.clock.monotonic();
  }

  /** Handles a request of the SMSC. This class or the gateway that gets the PDU responds to it. */
  route(pdu: Pdu, connection: Connection): void {
    const { members, clock, inputRejected } = this.#deps;
    const senders = sendersAmong(members);
    if (senders.length > 0) this.#senderSeenAt = clock.monotonic();
    if (pdu.command !== 'deliver_sm' && pdu.command !== 'data_sm') {
      inputRejected('unknown_command');
      connection.respond(pdu, STATUS.invalidCommand);
    } else if (isReceipt(pdu)) this.#routeReceipt(senders, pdu, connection);
    else if (senders.length > 0 && receiptForm(pdu) !== 'none') void this.#routeUnflagged(senders, pdu, connection);
    else this.#routeText(pdu, connection);
  }

  /** A gateway was added. */
  joined(): void {
    const senders = sendersAmong(this.#deps.members);
    for (const group of [senders, receiversAmong(this.#deps.members)])
      for (const { peers } of group) peers.observe(Math.max(peers.count, group.length));
    // From the second gateway on, each stores the ids of its messages.
    if (senders.length > 1) for (const { owner } of senders) owner.shareAccount();
  }

  /** A gateway was removed, and may come back. */
  left(): void {
    this.#changedAt = this.#deps.clock.monotonic();
  }

  #routeText(pdu: Pdu, connection: Connection): void {
    const receivers = receiversAmong(this.#deps.members);
    const found = addressee(receivers, pdu);
    if (found && this.#mayHandOver(found, receivers)) found.to.onText(pdu, connection);
    else connection.respond(pdu, STATUS.temporaryAppError);
  }

  /** A text in the form of a receipt is a customer's unless a gateway sent the message that it names. */
  async #routeUnflagged(senders: readonly Sender[], pdu: Pdu, connection: Connection): Promise<void> {
    try {
      const answers = await Promise.all(senders.map(({ owner }) => owner.isNamedIn(pdu)));
      if (answers.includes(true)) this.#routeReceipt(sendersAmong(this.#deps.members), pdu, connection);
      else if (answers.includes('later')) connection.respond(pdu, STATUS.temporaryAppError);
      else this.#routeText(pdu, connection);
    } catch (error) {
      this.#deps.log.warn({ err: messageOf(error) }, 'owner of a receipt not found');
      connection.respond(pdu, STATUS.temporaryAppError);
    }
  }

  #routeReceipt(senders: readonly Sender[], pdu: Pdu, connection: Connection): void {
    const [first] = senders;
    if (!first) this.#rejectReceipt(pdu, connection);
    else if (first.peers.count === 1) first.onReceipt(pdu, connection, false);
    else void this.#routeToOwner(senders, pdu, connection);
  }

  async #routeToOwner(senders: readonly Sender[], pdu: Pdu, connection: Connection): Promise<void> {
    try {
      const found = await ownerAmong(senders, pdu);
      if (found && this.#mayHandOver(found, senders)) found.to.onReceipt(pdu, connection, found.isContested);
      else connection.respond(pdu, STATUS.temporaryAppError);
    } catch (error) {
      this.#deps.log.warn({ err: messageOf(error) }, 'owner of a receipt not found');
      connection.respond(pdu, STATUS.temporaryAppError);
    }
  }

  #mayHandOver({ to, isSure }: Addressed<AccountMember>, group: readonly AccountMember[]): boolean {
    return this.#deps.members.has(to) && (isSure || this.#isComplete(group));
  }

  /** False while another gateway of the same direction is likely to open in a moment. */
  #isComplete(present: readonly AccountMember[]): boolean {
    if (present.every(({ peers }) => peers.count <= present.length)) return true;
    if (this.#deps.clock.monotonic() - this.#changedAt < PEER_WAIT_MS) return false;
    for (const { peers } of present) peers.observe(present.length);
    return true;
  }

  #rejectReceipt(pdu: Pdu, connection: Connection): void {
    const { clock, inputRejected, log } = this.#deps;
    const isDropped = clock.monotonic() - this.#senderSeenAt > NO_SENDER_MS;
    if (isDropped) {
      inputRejected('unwanted');
      log.debug({}, 'receipt dropped, no gateway sends');
    }
    connection.respond(pdu, isDropped ? STATUS.ok : STATUS.temporaryAppError);
  }
}
