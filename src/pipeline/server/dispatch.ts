import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { commandInfo, MSG, problemsOf } from '../../simprot/messages.js';
import type { GatewaySync } from '../gateways/sync.js';
import type { Metrics } from '../metrics.js';
import type { SendRequests } from '../outbound/send-requests.js';
import type { AckTracker } from './ack-tracker.js';

export interface DispatchDeps {
  log: Log;
  acks: AckTracker;
  sync: GatewaySync;
  sendRequests: SendRequests;
  metrics: Metrics;
}

/** Returns the handler of the server's MSGs. It never throws. */
export function dispatch({
  log,
  acks,
  sync,
  sendRequests,
  metrics,
}: DispatchDeps): (frame: { code: string; content: unknown }) => void {
  async function onReceived(content: unknown): Promise<void> {
    const command = commandInfo.safeParse(content);
    if (command.success) return acks.received(command.data);
    metrics.unhandledMessage(MSG.received);
    log.warn({ reason: problemsOf(command.error) }, 'SE_MESSAGE_RECEIVED cannot be read');
  }

  async function handle(code: string, content: unknown): Promise<void> {
    if (code === MSG.sending) return sendRequests.onSendRequest(content);
    if (code === MSG.received) return onReceived(content);
    if (code === MSG.gateways) return sync.onList(content);
    metrics.unhandledMessage(code);
  }

  return ({ code, content }) => {
    handle(code, content).catch((error) =>
      log.error({ code, err: messageOf(error) }, 'MSG of the server could not be handled'),
    );
  };
}
