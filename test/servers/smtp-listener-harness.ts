// A running SmtpListener, its inbound messages, and clients of it.

import { smtpListener } from '../../gateways/smtp-listener/driver.js';
import type { InboundMessage } from '../../src/driver/contract.js';
import { type ContextOptions, contextOf } from '../conformance/context.js';
import { createDriverState } from '../fixtures/driver-state.js';
import { freePort } from './process.js';
import { type SmtpClient, smtpClient } from './smtp-client.js';

export interface ListenerHarness {
  gateway(
    written?: Record<string, unknown>,
    options?: ContextOptions,
  ): Promise<{
    Port: number;
    driverState: ReturnType<typeof createDriverState>;
    session: Awaited<ReturnType<typeof smtpListener.open>>;
    stop: AbortController;
    next(): Promise<InboundMessage>;
    client(tls?: { ca: string; servername: string }): Promise<SmtpClient & { greeting: string }>;
    close(): Promise<void>;
  }>;
  /** Runs at the end of the test, before what was started earlier ends. */
  later(step: () => Promise<void> | void): void;
  /** For `afterEach`. */
  end(): Promise<void>;
}

export function listenerHarness(): ListenerHarness {
  const undo: (() => Promise<void> | void)[] = [];
  return {
    later: (step) => void undo.push(step),
    async end() {
      for (let step = undo.pop(); step; step = undo.pop()) await step();
    },
    async gateway(written = {}, options = {}) {
      const Port = await freePort();
      const driverState = createDriverState();
      const context = contextOf(smtpListener, { Port, Name: 'mail.test', ...written }, { driverState, ...options });
      const session = await smtpListener.open(context);
      const stop = new AbortController();
      undo.push(async () => {
        stop.abort();
        await smtpListener.close(session);
      });
      const messages = smtpListener.receive?.(session, stop.signal)[Symbol.asyncIterator]();
      const next = async (): Promise<InboundMessage> => {
        const result = await messages?.next();
        if (!result || result.done) throw new Error('the receive loop ended');
        return result.value;
      };
      const client = async (tls?: { ca: string; servername: string }) => {
        const made = await smtpClient(Port, tls ? { tls } : {});
        undo.push(() => made.cut());
        return made;
      };
      return { Port, driverState, session, stop, next, client, close: () => smtpListener.close(session) };
    },
  };
}

export const rawOf = (message: InboundMessage) => Buffer.from(message.content?.raw ?? []).toString('latin1');
