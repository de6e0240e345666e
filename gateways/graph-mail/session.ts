import { GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import { type WakeSignal, wakeSignal } from '../../src/driver/shared/wake-signal.js';
import { type Api, openApi, reasonOf } from './api.js';
import { type Folder, findFolder } from './folders.js';
import type { Settings } from './settings.js';

export interface Session {
  readonly context: GatewayContext<Settings>;
  readonly api: Api;
  /** The folder whose mails are received. */
  readonly folder: Folder;
  /** Id of the folder for received mails; undefined without one. */
  readonly moveTo: string | undefined;
  /** Aborts when the gateway closes. */
  readonly closed: AbortSignal;
  readonly wake: WakeSignal;
  close(): Promise<void>;
}

/** Asks for the folder, which shows that token and mailbox can be used; changes nothing. */
export async function openSession(context: GatewayContext<Settings>): Promise<Session> {
  const { settings, clock, gateway } = context;
  const closing = new AbortController();
  const api = openApi(context);
  const isInbound = gateway.direction === 'I';
  try {
    const folder = await findFolder(api, isInbound ? settings.Folder : 'sentitems', closing.signal);
    const moveTo = isInbound && settings.MoveTo ? await findFolder(api, settings.MoveTo, closing.signal) : undefined;
    return {
      ...{ context, api, folder, closed: closing.signal, wake: wakeSignal(clock) },
      moveTo: moveTo?.id,
      close() {
        closing.abort(new GatepostError('graph/closed', 'the gateway is being closed'));
        return api.close();
      },
    };
  } catch (error) {
    await api.close();
    throw unusable(settings, api, error);
  }
}

function unusable({ Mailbox }: Settings, api: Api, error: unknown): GatepostError {
  const reason = `cannot use the mailbox ${Mailbox} at ${api.host}: ${reasonOf(error)}`;
  return new GatepostError('graph/unusable', reason.slice(0, 280), {
    advice:
      (error instanceof GatepostError && error.advice) || 'run "gatepost test" on this gateway to see which step fails',
    cause: error,
  });
}
