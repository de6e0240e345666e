// Owns the links to accounts: the gateways of one account share one, whichever way they go, and it lives as long as any of
// them. What the SMSC pushes goes to the gateway it is for, on whichever bind it comes (route.ts).
import { createHash } from 'node:crypto';
import { GatepostError, messageOf } from '../../../src/driver/contract.js';
import { STATUS } from '../pdu/status.js';
import type { SmppSettings } from '../settings.js';
import { type Member, receiversAmong, sendersAmong } from './account-members.js';
import { BindRefused, type Role, type Slot, type SlotContext, slotOf } from './bind.js';
import { LinkLost, type Wire, type WireEvents } from './connection.js';
import { type Routing, routingOf } from './routing.js';
import { type Traffic, trafficOf } from './throttle.js';

export interface Link {
  /** What goes out is bounded over all O gateways of the account, with the limits of the one that came first. */
  readonly traffic: Traffic;
  /** A connection that takes submit_sm, when there is one now. */
  readonly wire: Wire | undefined;
  /** The same, made when there is none. Rejects with why it cannot be had now. */
  sending(): Promise<Wire>;
  readonly up: boolean;
  /** Ends this gateway's part in it; the last one closes it. */
  leave(): Promise<void>;
}

interface Account extends Omit<Link, 'leave' | 'traffic'> {
  readonly members: Set<Member>;
  readonly routing: Routing;
  traffic: Traffic | undefined;
  ensure(): Promise<void>;
  close(): Promise<void>;
}

const accounts = new Map<string, Account>();

/** Binds as this gateway needs it. Rejects with one sentence when that cannot be done now. */
export async function joinLink(context: SlotContext, member: Member): Promise<Link> {
  const key = keyOf(context.settings);
  const account = accounts.get(key) ?? accountOf(context);
  accounts.set(key, account);
  account.members.add(member);
  account.routing.joined();
  const traffic = account.traffic ?? trafficOf(context.settings, context.clock, context.random);
  if (member.direction === 'O') account.traffic = traffic;
  let left: Promise<void> | undefined;
  const leave = () => {
    left ??= leaveAccount(key, account, member);
    return left;
  };
  try {
    await account.ensure();
  } catch (error) {
    await leave();
    throw unusable(context.settings, error);
  }
  return {
    traffic,
    sending: account.sending,
    leave,
    get wire() {
      return account.wire;
    },
    get up() {
      return account.up;
    },
  };
}

async function leaveAccount(key: string, account: Account, member: Member): Promise<void> {
  account.members.delete(member);
  account.routing.left();
  if (sendersAmong(account.members).length === 0) account.traffic = undefined;
  if (account.members.size > 0) return;
  if (accounts.get(key) === account) accounts.delete(key);
  await account.close();
}

/** Whether a gateway of this process is bound to the account right now. */
export function boundHere(settings: SmppSettings): boolean {
  return accounts.get(keyOf(settings))?.up ?? false;
}

function keyOf({ Host, Port, Tls, SystemId, Password, SystemType, BindAs }: SmppSettings): string {
  const account = JSON.stringify([Host.toLowerCase(), Port, Tls, SystemId, Password, SystemType, BindAs]);
  return createHash('sha256').update(account).digest('base64');
}

export function unusable({ Host, Port, SystemId }: SmppSettings, cause: unknown): GatepostError {
  const wrongLogin =
    cause instanceof BindRefused && (cause.status === STATUS.wrongPassword || cause.status === STATUS.wrongSystemId);
  return new GatepostError('smpp/unusable', `cannot use the SMSC ${Host}:${Port} as ${SystemId}: ${messageOf(cause)}`, {
    advice: wrongLogin
      ? 'correct SystemId and Password'
      : 'run "gatepost test" on this gateway to see which step fails',
    cause,
  });
}

/** Answers that mean "not this kind of bind", or may mean it: then the other kind is tried. */
function isOtherKind(error: unknown): boolean {
  if (error instanceof LinkLost) return true;
  return error instanceof BindRefused && error.status !== STATUS.wrongPassword && error.status !== STATUS.wrongSystemId;
}

function accountOf(context: SlotContext): Account {
  const { settings, clock, log } = context;
  const members = new Set<Member>();
  const slots = new Map<Role, Slot>();
  let malformed = 0;
  let turn: Promise<unknown> = Promise.resolve();

  /** The account is one for all of its gateways: counted for the first. */
  const inputRejected = (reason: string) => [...members][0]?.inputRejected(reason);

  const routing = routingOf({ members, clock, log, inputRejected });
  const events: WireEvents = {
    onRequest: routing.take,
    onMalformed(what) {
      malformed += 1;
      inputRejected('malformed');
      // One that does it at all does it always: the count tells, ten thousand lines would not tell more.
      const isShown = /^[1-9]0*$/.test(String(malformed));
      log[isShown ? 'warn' : 'debug']({ what, malformed }, 'the SMSC sent what is no PDU, or not a right one');
    },
  };

  async function need(role: Role): Promise<void> {
    const slot =
      slots.get(role) ??
      slotOf(role, context, events, (why) => {
        for (const member of members) member.onLost(role, why);
      });
    slots.set(role, slot);
    await slot.next();
  }

  async function drop(role: Role): Promise<void> {
    await slots.get(role)?.close();
    slots.delete(role);
  }

  async function bindAll(): Promise<void> {
    const split = slots.has('transmitter') || slots.has('receiver') || settings.BindAs === 'TransmitterReceiver';
    if (split) return bindSplit();
    try {
      await need('transceiver');
    } catch (error) {
      if (settings.BindAs !== 'Auto' || !isOtherKind(error)) throw error;
      log.info({ error: messageOf(error) }, 'no transceiver to be had: trying a transmitter and a receiver');
      await drop('transceiver');
      await bindSplit().catch(async (second) => {
        await Promise.all([drop('transmitter'), drop('receiver')]);
        throw new GatepostError('smpp/bind', `${messageOf(error)}; ${messageOf(second)}`, { cause: second });
      });
    }
  }

  /** Receipts come to receivers, so a gateway that wants them has one. */
  async function bindSplit(): Promise<void> {
    if (sendersAmong(members).length > 0) await need('transmitter');
    const wantsReceipts = sendersAmong(members).some((member) => member.settings.Receipts);
    if (receiversAmong(members).length > 0 || wantsReceipts) await need('receiver');
  }

  const ensure = () => {
    const mine = turn.then(bindAll, bindAll);
    turn = mine;
    return mine;
  };
  const sender = () => (slots.get('transceiver') ?? slots.get('transmitter'))?.wire;

  return {
    members,
    routing,
    traffic: undefined,
    ensure,
    get up() {
      return [...slots.values()].some((slot) => slot.wire);
    },
    get wire() {
      return sender();
    },
    async sending() {
      const wire = sender();
      if (wire) return wire;
      await (slots.get('transceiver') ?? slots.get('transmitter'))?.next();
      const made = sender();
      if (!made) throw new LinkLost('the link to the SMSC was lost again', false);
      return made;
    },
    async close() {
      await turn.catch(() => undefined);
      await Promise.all([...slots.values()].map((slot) => slot.close()));
    },
  };
}
