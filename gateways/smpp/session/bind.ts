// Owns one bound connection that is made again whenever it breaks.
// States: down -> dialing -> up -> down ...; closed is the end. The next try comes sooner when somebody asks for it.
import {
  type Clock,
  deadline,
  GatepostError,
  type GatewayContext,
  messageOf,
  sleep,
} from '../../../src/driver/contract.js';
import { STATUS, statusWords } from '../pdu/status.js';
import type { SmppSettings } from '../settings.js';
import { dial, type Wire, type WireEvents } from './connection.js';

export type Role = 'transceiver' | 'transmitter' | 'receiver';

/** The SMSC answered the bind, negatively. */
export class BindRefused extends Error {
  override readonly name = 'BindRefused';
  readonly status: number;
  constructor(role: Role, status: number) {
    super(`bind_${role} was refused: ${statusWords(status)}`);
    this.status = status;
  }
}

/** Ms for connecting and binding together. */
export const OPEN_MS = 20_000;
/** Ms between two tries at least, however many ask; and at most. */
const SHORTEST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** A connection that lasted this long was a good one: the next pause is a short one again. */
const SURVIVED_MS = 30_000;
/** SMPP 3.4. */
const INTERFACE_VERSION = 0x34;

export interface Slot {
  readonly wire: Wire | undefined;
  /** The wire, or what came of the next try. */
  next(): Promise<Wire>;
  close(): Promise<void>;
}

export type SlotContext = Pick<GatewayContext<SmppSettings>, 'settings' | 'clock' | 'random' | 'log'>;

export async function bindOnce(
  role: Role,
  settings: SmppSettings,
  clock: Clock,
  events: WireEvents,
  signal: AbortSignal,
): Promise<Wire> {
  const time = deadline(clock, OPEN_MS, signal);
  try {
    const wire = await dial(settings, clock, events, time.signal);
    try {
      await bind(wire, role, settings, time.race);
      return wire;
    } catch (error) {
      wire.cut('the bind failed');
      await wire.lost;
      throw error;
    }
  } finally {
    time.dispose();
  }
}

export async function bind(
  wire: Wire,
  role: Role,
  { SystemId, Password, SystemType, AddressRange }: SmppSettings,
  race: <T>(work: Promise<T>, what: string) => Promise<T>,
): Promise<string> {
  const asked = wire.request(`bind_${role}`, {
    system_id: SystemId,
    password: Password,
    system_type: SystemType,
    interface_version: INTERFACE_VERSION,
    addr_ton: 0,
    addr_npi: 0,
    address_range: AddressRange,
  });
  const answer = await race(asked, `bind_${role}`);
  if (answer.status !== STATUS.ok) throw new BindRefused(role, answer.status);
  return answer.text('system_id');
}

export function slotOf(role: Role, context: SlotContext, events: WireEvents, onLost: (why: string) => void): Slot {
  const { settings, clock, random, log } = context;
  const stopping = new AbortController();
  const askers: { resolve: (wire: Wire) => void; reject: (error: unknown) => void }[] = [];
  let nap = new AbortController();
  let up: Wire | undefined;

  async function oneLife(): Promise<number> {
    const wire = await bindOnce(role, settings, clock, events, stopping.signal);
    const since = clock.monotonic();
    if (stopping.signal.aborted) {
      await wire.end();
      return 0;
    }
    up = wire;
    log.info({ role }, 'bound to the SMSC');
    wire.enquireEvery(settings.EnquireLinkSeconds);
    for (const asker of askers.splice(0)) asker.resolve(wire);
    const why = await wire.lost;
    up = undefined;
    if (!stopping.signal.aborted) {
      log.warn({ role, why }, 'the link to the SMSC is lost');
      onLost(why);
    }
    return clock.monotonic() - since;
  }

  async function pause(failures: number): Promise<void> {
    const whole = Math.min(LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS * 2 ** Math.min(10, failures));
    await sleep(clock, SHORTEST_PAUSE_MS * (0.5 + random() / 2), stopping.signal);
    if (askers.length > 0) return;
    const more = whole * random();
    await sleep(clock, more, AbortSignal.any([nap.signal, stopping.signal])).catch(() => {});
    nap = new AbortController();
    stopping.signal.throwIfAborted();
  }

  async function run(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; failures++) {
      try {
        if ((await oneLife()) >= SURVIVED_MS) failures = 0;
      } catch (error) {
        if (!stopping.signal.aborted) log.warn({ role, error: messageOf(error) }, 'binding to the SMSC failed');
        for (const asker of askers.splice(0)) asker.reject(error);
      }
      if (!stopping.signal.aborted) await pause(failures).catch(() => {});
    }
  }

  const running = run().finally(() => {
    for (const asker of askers.splice(0)) asker.reject(new GatepostError('smpp/closed', 'the link is being closed'));
  });

  return {
    get wire() {
      return up?.open ? up : undefined;
    },
    next() {
      if (up?.open) return Promise.resolve(up);
      if (stopping.signal.aborted) return Promise.reject(new GatepostError('smpp/closed', 'the link is closed'));
      return new Promise((resolve, reject) => {
        askers.push({ resolve, reject });
        nap.abort();
      });
    },
    async close() {
      stopping.abort(new GatepostError('smpp/closed', 'the link is being closed'));
      await up?.end();
      await running;
    },
  };
}
