// One bind to an SMSC that is made again whenever it breaks.
// States: down -> binding -> bound -> down ...; closed is the end. From down, the next attempt starts after a pause with
// exponential back-off and full jitter; `next()` cuts the pause short, but not below SHORTEST_PAUSE_MS.
import { deadline, GatepostError, type GatewayContext, messageOf, sleep } from '../../../src/driver/contract.js';
import { describeStatus, STATUS } from '../pdu/status.js';
import type { SmppSettings } from '../settings.js';
import type { Connection, ConnectionEvents } from './connection.js';
import { settledBy } from './settled.js';
import { openConnection } from './socket-connection.js';

export type Role = 'transceiver' | 'transmitter' | 'receiver';

/** The SMSC answered the bind with an error status. */
export class BindRejected extends Error {
  override readonly name = 'BindRejected';
  readonly status: number;
  constructor(role: Role, status: number) {
    super(`the SMSC rejected bind_${role}: ${describeStatus(status)}`);
    this.status = status;
  }

  /** A wrong SystemId or Password: another kind of bind would be rejected, too. */
  get isWrongLogin(): boolean {
    return this.status === STATUS.invalidPassword || this.status === STATUS.invalidSystemId;
  }
}

/** For connecting and binding together, ms. */
export const BIND_MS = 20_000;
/** Pause between two attempts, ms: at least, however many callers wait; and at most. */
const SHORTEST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** The back-off starts again from the beginning after a bind that lasted this long, ms. */
const SURVIVED_MS = 30_000;
const INTERFACE_VERSION = 0x34;

export type BindContext = Pick<GatewayContext<SmppSettings>, 'settings' | 'clock' | 'random' | 'log' | 'network'>;

async function connectAndBind(
  role: Role,
  { settings, clock, network }: BindContext,
  events: ConnectionEvents,
  signal: AbortSignal,
): Promise<Connection> {
  const due = deadline(clock, BIND_MS, signal);
  try {
    const connection = await openConnection({ ...settings, network }, clock, events, due.signal);
    try {
      await sendBind(connection, role, settings, due.signal);
      return connection;
    } catch (error) {
      connection.destroy('the bind failed');
      await connection.closed;
      throw error;
    }
  } finally {
    due.dispose();
  }
}

/** Returns the name that the SMSC gives itself. */
export async function sendBind(
  connection: Connection,
  role: Role,
  { SystemId, Password, SystemType, AddressRange }: SmppSettings,
  signal: AbortSignal,
): Promise<string> {
  const request = connection.request(`bind_${role}`, {
    system_id: SystemId,
    password: Password,
    system_type: SystemType,
    interface_version: INTERFACE_VERSION,
    addr_ton: 0,
    addr_npi: 0,
    address_range: AddressRange,
  });
  const response = await settledBy(request, signal, `bind_${role}`);
  if (response.status !== STATUS.ok) throw new BindRejected(role, response.status);
  return response.text('system_id');
}

interface Waiter {
  resolve(connection: Connection): void;
  reject(error: unknown): void;
}

export class Bind {
  readonly #role: Role;
  readonly #context: BindContext;
  readonly #events: ConnectionEvents;
  readonly #onLost: (why: string) => void;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  /** Sends that wait for the bind, each until its own deadline; bounded by the sends that the pipeline runs at once. */
  #waiters: Waiter[] = [];
  #pause = new AbortController();
  #connection: Connection | undefined;

  constructor(role: Role, context: BindContext, events: ConnectionEvents, onLost: (why: string) => void) {
    this.#role = role;
    this.#context = context;
    this.#events = events;
    this.#onLost = onLost;
    this.#running = this.#run();
  }

  /** The bound connection; undefined while there is none. */
  get connection(): Connection | undefined {
    return this.#connection?.isOpen ? this.#connection : undefined;
  }

  /** The bound connection, or the result of the next attempt. */
  next(): Promise<Connection> {
    if (this.#connection?.isOpen) return Promise.resolve(this.#connection);
    if (this.#stopping.signal.aborted) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#pause.abort();
    });
  }

  async close(): Promise<void> {
    this.#stopping.abort(closed());
    await this.#connection?.unbind();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        if ((await this.#bindOnce()) >= SURVIVED_MS) failures = 0;
      } catch (error) {
        this.#onFailure(error);
      }
      if (!signal.aborted) await this.#backOff(failures).catch(() => {});
    }
    this.#rejectWaiters(closed());
  }

  /** Resolves with the ms that the bind lasted. */
  async #bindOnce(): Promise<number> {
    const { clock, log, settings } = this.#context;
    const { signal } = this.#stopping;
    const connection = await connectAndBind(this.#role, this.#context, this.#events, signal);
    const since = clock.monotonic();
    if (signal.aborted) {
      await connection.unbind();
      return 0;
    }
    this.#connection = connection;
    log.info({ role: this.#role }, 'bound to the SMSC');
    connection.startEnquiring(settings.EnquireLinkSeconds);
    for (const { resolve } of this.#waiters.splice(0)) resolve(connection);
    const reason = await connection.closed;
    this.#connection = undefined;
    if (!signal.aborted) {
      log.warn({ role: this.#role, reason }, 'connection to the SMSC lost');
      this.#onLost(reason);
    }
    return clock.monotonic() - since;
  }

  #onFailure(error: unknown): void {
    const { log } = this.#context;
    if (!this.#stopping.signal.aborted)
      log.warn({ role: this.#role, err: messageOf(error) }, 'bind to the SMSC failed');
    this.#rejectWaiters(error);
  }

  #rejectWaiters(error: unknown): void {
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }

  async #backOff(failures: number): Promise<void> {
    const { clock, random } = this.#context;
    const { signal } = this.#stopping;
    const longest = Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** Math.min(10, failures));
    await sleep(clock, SHORTEST_PAUSE_MS * (0.5 + random() / 2), signal);
    if (this.#waiters.length > 0) return;
    await sleep(clock, longest * random(), AbortSignal.any([this.#pause.signal, signal])).catch(() => {});
    this.#pause = new AbortController();
  }
}

function closed(): GatepostError {
  return new GatepostError('smpp/closed', 'the connection to the SMSC is closed, because the gateway stops');
}
