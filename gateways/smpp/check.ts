// "Test connection": connect, bind, enquire_link, unbind. Sends nothing and accepts nothing.
import { type CheckStep, deadline, type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { describeStatus, STATUS } from './pdu/status.js';
import { isBoundHere } from './session/account.js';
import { BIND_MS, BindRejected, type Role, sendBind } from './session/bind.js';
import { type Connection, type ConnectionEvents, ConnectionLost } from './session/connection.js';
import { settledBy } from './session/settled.js';
import { openConnection } from './session/socket-connection.js';
import type { SmppSettings } from './settings.js';

/** The SMSC delivers texts of the time of the check again later. */
const deferTexts: ConnectionEvents = {
  onRequest: (pdu, connection) => void connection.respond(pdu, STATUS.temporaryAppError),
  onMalformed: () => {},
};

export async function* checkSteps(
  context: GatewayContext<SmppSettings>,
  signal: AbortSignal,
): AsyncGenerator<CheckStep> {
  const isRunning = isBoundHere(context);
  for (const role of rolesOf(context.settings, context.gateway.direction)) {
    const result = yield* tryRole(role, context, signal, isRunning);
    if (result === 'done') return;
  }
}

/** In the order in which they are tried; the first one that works is enough. */
function rolesOf({ BindAs }: SmppSettings, direction: 'I' | 'O'): Role[] {
  const single: Role = direction === 'I' ? 'receiver' : 'transmitter';
  if (BindAs === 'Transceiver') return ['transceiver'];
  return BindAs === 'Auto' ? ['transceiver', single] : [single];
}

async function* tryRole(
  role: Role,
  { settings, clock, network }: GatewayContext<SmppSettings>,
  signal: AbortSignal,
  isRunning: boolean,
): AsyncGenerator<CheckStep, 'done' | 'next'> {
  const due = deadline(clock, BIND_MS, signal);
  let connection: Connection | undefined;
  try {
    const connected = `${settings.Tls ? 'TLS' : 'TCP'} connection to ${settings.Host}:${settings.Port}`;
    try {
      connection = await openConnection({ ...settings, network }, clock, deferTexts, due.signal);
    } catch (error) {
      yield { name: connected, ok: false, detail: `${messageOf(error)}; check Host, Port and Tls` };
      return 'done';
    }
    yield { name: connected, ok: true, detail: 'connected' };
    const bound = await tryBind(connection, role, settings, due.signal, isRunning);
    if (bound === 'next') return 'next';
    yield bound.step;
    if (bound.isUsable) yield await enquire(connection, due.signal);
    return 'done';
  } finally {
    due.dispose();
    await connection?.unbind();
  }
}

type BindResult = 'next' | { readonly isUsable: boolean; readonly step: CheckStep };

async function tryBind(
  connection: Connection,
  role: Role,
  settings: SmppSettings,
  signal: AbortSignal,
  isRunning: boolean,
): Promise<BindResult> {
  const name = `bind_${role} as ${settings.SystemId}`;
  try {
    const smsc = await sendBind(connection, role, settings, signal);
    return {
      isUsable: true,
      step: { name, ok: true, detail: smsc ? `bound, the SMSC calls itself ${smsc}` : 'bound' },
    };
  } catch (error) {
    const rejected = error instanceof BindRejected ? error : undefined;
    if (rejected?.status === STATUS.alreadyBound && isRunning) {
      const detail = 'this gateway is bound already, and the SMSC allows one bind';
      return { isUsable: false, step: { name, ok: true, detail } };
    }
    const mayBeOtherKind = error instanceof ConnectionLost || rejected?.isWrongLogin === false;
    if (role === 'transceiver' && settings.BindAs === 'Auto' && mayBeOtherKind) return 'next';
    const advice = rejected?.isWrongLogin
      ? 'check SystemId and Password'
      : 'check BindAs and SystemType, and ask the carrier';
    return { isUsable: false, step: { name, ok: false, detail: `${messageOf(error)}; ${advice}` } };
  }
}

async function enquire(connection: Connection, signal: AbortSignal): Promise<CheckStep> {
  const name = 'enquire_link';
  try {
    const { status } = await settledBy(connection.request('enquire_link'), signal, name);
    return { name, ok: status === STATUS.ok, detail: status === STATUS.ok ? 'answered' : describeStatus(status) };
  } catch (error) {
    return { name, ok: false, detail: messageOf(error) };
  }
}
