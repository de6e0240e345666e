// Owns what each MSG of the server sets in motion: lists, acknowledgements, orders. Everything else is ignored and counted.
import { messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { commandInfo, MSG, problemsOf } from '../simprot/messages.js';
import type { Acks } from './line.js';
import type { Listing } from './listing.js';
import type { Meters } from './meters.js';
import type { Orders } from './orders.js';

export interface DispatchTools {
  log: Log;
  acks: Acks;
  listing: Listing;
  orders: Orders;
  meters: Meters;
}

/** Returns the handler of the server's MSGs. It never throws. */
export function dispatch({
  log,
  acks,
  listing,
  orders,
  meters,
}: DispatchTools): (frame: { code: string; content: unknown }) => void {
  async function onReceived(content: unknown): Promise<void> {
    const command = commandInfo.safeParse(content);
    if (command.success) return acks.received(command.data);
    meters.ignoredMsg(MSG.received);
    log.warn(
      { problem: problemsOf(command.error) },
      'SE_MESSAGE_RECEIVED cannot be read; the message is handed over again later',
    );
  }

  async function handle(code: string, content: unknown): Promise<void> {
    if (code === MSG.sending) return orders.onOrder(content);
    if (code === MSG.received) return onReceived(content);
    if (code === MSG.gateways) return listing.onList(content);
    meters.ignoredMsg(code);
  }

  return ({ code, content }) => {
    handle(code, content).catch((error) =>
      log.error({ code, error: messageOf(error) }, 'a MSG of the server could not be handled'),
    );
  };
}
