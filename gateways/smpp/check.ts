// Owns "test connection" of Smpp: connect, bind, enquire_link, unbind; sends and takes nothing.
import { type CheckStep, deadline, type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { STATUS, statusWords } from './pdu/status.js';
import { boundHere } from './session/account.js';
import { BindRefused, bind, OPEN_MS, type Role } from './session/bind.js';
import { dial, LinkLost, type Wire, type WireEvents } from './session/connection.js';
import type { SmppSettings } from './settings.js';

/** A text that comes while we only look is kept by the SMSC. */
const quiet: WireEvents = {
  onRequest: (pdu, wire) => void wire.answer(pdu, STATUS.temporary),
  onMalformed: () => {},
};

export async function* checkSteps(
  context: GatewayContext<SmppSettings>,
  signal: AbortSignal,
): AsyncGenerator<CheckStep> {
  const { settings, gateway } = context;
  const running = boundHere(settings);
  for (const role of rolesOf(settings, gateway.direction)) {
    const result = yield* tryRole(role, context, signal, running);
    if (result === 'done') return;
  }
}

/** In the send request in which they are tried; the first that works is enough. */
function rolesOf({ BindAs }: SmppSettings, direction: 'I' | 'O'): Role[] {
  const single: Role = direction === 'I' ? 'receiver' : 'transmitter';
  if (BindAs === 'Transceiver') return ['transceiver'];
  return BindAs === 'Auto' ? ['transceiver', single] : [single];
}

async function* tryRole(
  role: Role,
  { settings, clock }: GatewayContext<SmppSettings>,
  signal: AbortSignal,
  running: boolean,
): AsyncGenerator<CheckStep, 'done' | 'next'> {
  const place = `${settings.Tls ? 'TLS' : 'TCP'} connection to ${settings.Host}:${settings.Port}`;
  const time = deadline(clock, OPEN_MS, signal);
  let wire: Wire | undefined;
  try {
    try {
      wire = await dial(settings, clock, quiet, time.signal);
    } catch (error) {
      yield { name: place, ok: false, detail: `${messageOf(error)}; check Host, Port and Tls` };
      return 'done';
    }
    yield { name: place, ok: true, detail: 'connected' };
    const bound = await tryBind(wire, role, settings, time.race, running);
    if ('next' in bound) return 'next';
    yield bound.step;
    if (!bound.step.ok || bound.busy) return 'done';
    yield await enquire(wire, time.race);
    return 'done';
  } finally {
    time.dispose();
    await wire?.end();
  }
}

type Race = <T>(work: Promise<T>, what: string) => Promise<T>;

async function tryBind(wire: Wire, role: Role, settings: SmppSettings, race: Race, running: boolean) {
  const name = `bind_${role} as ${settings.SystemId}`;
  try {
    const there = await bind(wire, role, settings, race);
    return { busy: false, step: { name, ok: true, detail: there ? `bound, the SMSC calls itself ${there}` : 'bound' } };
  } catch (error) {
    const status = error instanceof BindRefused ? error.status : undefined;
    if (status === STATUS.alreadyBound && running)
      return {
        busy: true,
        step: { name, ok: true, detail: 'this gateway is bound there already, and one bind is allowed' },
      };
    const login = status === STATUS.wrongPassword || status === STATUS.wrongSystemId;
    const other = (status !== undefined && !login) || error instanceof LinkLost;
    if (role === 'transceiver' && settings.BindAs === 'Auto' && other) return { next: true as const };
    const advice = login ? 'check SystemId and Password' : 'check BindAs and SystemType, and ask the carrier';
    return { busy: false, step: { name, ok: false, detail: `${messageOf(error)}; ${advice}` } };
  }
}

async function enquire(wire: Wire, race: Race): Promise<CheckStep> {
  const name = 'enquire_link';
  try {
    const answer = await race(wire.request('enquire_link'), name);
    return {
      name,
      ok: answer.status === STATUS.ok,
      detail: answer.status === STATUS.ok ? 'answered' : statusWords(answer.status),
    };
  } catch (error) {
    return { name, ok: false, detail: messageOf(error) };
  }
}
