// The binds to one account of an SMSC. The gateways of one service with the same account share them, in both directions;
// they live as long as any of these gateways is open.
import { createHash } from 'node:crypto';
import { GatepostError, type GatewayContext, messageOf, type Shared } from '../../../src/driver/contract.js';
import type { SmppSettings } from '../settings.js';
import { type AccountMember, receiversAmong, sendersAmong } from './account-members.js';
import { Bind, type BindContext, BindRejected, type Role } from './bind.js';
import { type Connection, type ConnectionEvents, ConnectionLost } from './connection.js';
import { Routing } from './routing.js';
import { Throttle } from './throttle.js';

/** A gateway's part in an account. */
export interface AccountHandle {
  /** Bounds what all O gateways of the account send together, with the limits of the gateway that came first. */
  readonly throttle: Throttle;
  /** A connection that takes submit_sm, if one is bound now. */
  readonly transmitter: Connection | undefined;
  /** The same, bound first if necessary. Rejects with the reason why the bind fails. */
  bindTransmitter(): Promise<Connection>;
  /** The last gateway that leaves closes the account. */
  leave(): Promise<void>;
}

type AccountContext = BindContext & Pick<GatewayContext<SmppSettings>, 'shared'>;

const accountsIn = (shared: Shared) => shared('accounts', () => new Map<string, Account>());

/** Binds as this gateway needs it. Rejects with one sentence when the bind fails. */
export async function joinAccount(context: AccountContext, member: AccountMember): Promise<AccountHandle> {
  const { settings } = context;
  const accounts = accountsIn(context.shared);
  const key = keyOf(settings);
  const account = accounts.get(key) ?? new Account(context, () => accounts.delete(key));
  accounts.set(key, account);
  const throttle = account.add(member, context);
  let left: Promise<void> | undefined;
  const leave = () => {
    left ??= account.remove(member);
    return left;
  };
  try {
    await account.bindAsNeeded();
  } catch (error) {
    await leave();
    throw unusable(settings, error);
  }
  return {
    throttle,
    bindTransmitter: () => account.bindTransmitter(),
    leave,
    get transmitter() {
      return account.transmitter;
    },
  };
}

/** Whether a gateway of this service is bound to the account now. */
export function isBoundHere({ settings, shared }: Pick<AccountContext, 'settings' | 'shared'>): boolean {
  return accountsIn(shared).get(keyOf(settings))?.isBound ?? false;
}

function keyOf({ Host, Port, Tls, SystemId, Password, SystemType, BindAs }: SmppSettings): string {
  const account = JSON.stringify([Host.toLowerCase(), Port, Tls, SystemId, Password, SystemType, BindAs]);
  return createHash('sha256').update(account).digest('base64');
}

function unusable({ Host, Port, SystemId }: SmppSettings, cause: unknown): GatepostError {
  const isWrongLogin = cause instanceof BindRejected && cause.isWrongLogin;
  return new GatepostError('smpp/unusable', `cannot use the SMSC ${Host}:${Port} as ${SystemId}: ${messageOf(cause)}`, {
    advice: isWrongLogin
      ? 'correct SystemId and Password'
      : 'run "gatepost test" on this gateway to see which step fails',
    cause,
  });
}

/** A response that says "not this kind of bind", or may say so: then the other kind is tried. */
function mayBeOtherKind(error: unknown): boolean {
  return error instanceof ConnectionLost || (error instanceof BindRejected && !error.isWrongLogin);
}

class Account {
  readonly #context: BindContext;
  readonly #onEmpty: () => void;
  readonly #members = new Set<AccountMember>();
  readonly #binds = new Map<Role, Bind>();
  readonly #routing: Routing;
  readonly #events: ConnectionEvents;
  #throttle: Throttle | undefined;
  #malformed = 0;
  /** One gateway after the other decides which binds it needs. */
  #turn: Promise<void> = Promise.resolve();

  constructor(context: BindContext, onEmpty: () => void) {
    const { clock, log } = context;
    this.#context = context;
    this.#onEmpty = onEmpty;
    this.#routing = new Routing({ members: this.#members, clock, log, inputRejected: this.#inputRejected });
    this.#events = {
      onRequest: (pdu, connection) => this.#routing.route(pdu, connection),
      onMalformed: (what) => this.#onMalformed(what),
    };
  }

  get isBound(): boolean {
    return [...this.#binds.values()].some(({ connection }) => connection);
  }

  get transmitter(): Connection | undefined {
    return this.#transmitterBind?.connection;
  }

  async bindTransmitter(): Promise<Connection> {
    await this.#transmitterBind?.next();
    const { transmitter } = this;
    if (!transmitter) throw new ConnectionLost('the connection to the SMSC was lost again', false);
    return transmitter;
  }

  add(member: AccountMember, { settings, clock, random }: BindContext): Throttle {
    this.#members.add(member);
    this.#routing.joined();
    const throttle = this.#throttle ?? new Throttle(settings, clock, random);
    if (member.direction === 'O') this.#throttle = throttle;
    return throttle;
  }

  async remove(member: AccountMember): Promise<void> {
    this.#members.delete(member);
    this.#routing.left();
    if (sendersAmong(this.#members).length === 0) this.#throttle = undefined;
    if (this.#members.size > 0) return;
    this.#onEmpty();
    await this.#turn.catch(() => undefined);
    await Promise.all([...this.#binds.values()].map((bind) => bind.close()));
  }

  bindAsNeeded(): Promise<void> {
    const bindAll = () => this.#bindAll();
    this.#turn = this.#turn.then(bindAll, bindAll);
    return this.#turn;
  }

  get #transmitterBind(): Bind | undefined {
    return this.#binds.get('transceiver') ?? this.#binds.get('transmitter');
  }

  async #bindAll(): Promise<void> {
    const { log, settings } = this.#context;
    const isSplit = this.#binds.has('transmitter') || this.#binds.has('receiver');
    if (isSplit || settings.BindAs === 'TransmitterReceiver') return this.#bindSplit();
    try {
      await this.#bind('transceiver');
    } catch (error) {
      if (settings.BindAs !== 'Auto' || !mayBeOtherKind(error)) throw error;
      log.info({ err: messageOf(error) }, 'no transceiver, binding transmitter and receiver');
      await this.#unbind('transceiver');
      await this.#bindSplit().catch(async (second) => {
        await Promise.all([this.#unbind('transmitter'), this.#unbind('receiver')]);
        throw new GatepostError('smpp/bind', `${messageOf(error)}; ${messageOf(second)}`, { cause: second });
      });
    }
  }

  /** The SMSC delivers receipts to receivers, so a gateway that wants receipts needs one. */
  async #bindSplit(): Promise<void> {
    const senders = sendersAmong(this.#members);
    if (senders.length > 0) await this.#bind('transmitter');
    const wantsReceipts = senders.some(({ settings }) => settings.Receipts);
    if (receiversAmong(this.#members).length > 0 || wantsReceipts) await this.#bind('receiver');
  }

  async #bind(role: Role): Promise<void> {
    const onLost = (why: string) => {
      for (const member of this.#members) member.onLost(role, why);
    };
    const bind = this.#binds.get(role) ?? new Bind(role, this.#context, this.#events, onLost);
    this.#binds.set(role, bind);
    await bind.next();
  }

  async #unbind(role: Role): Promise<void> {
    await this.#binds.get(role)?.close();
    this.#binds.delete(role);
  }

  #onMalformed(reason: string): void {
    this.#malformed += 1;
    this.#inputRejected('malformed');
    // An SMSC that sends one such PDU sends many, so they are logged ever more rarely: 1 to 9, 10, 20 ... 100, 200 ...
    const isShown = /^[1-9]0*$/.test(String(this.#malformed));
    this.#context.log[isShown ? 'warn' : 'debug']({ reason, count: this.#malformed }, 'malformed PDU from the SMSC');
  }

  /** Input that belongs to no gateway is counted for the first one. */
  readonly #inputRejected = (reason: string) => [...this.#members][0]?.inputRejected(reason);
}
