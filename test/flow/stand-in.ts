// A driver whose counterparty is the test: arrivals are put in by hand, sends are answered by a script.
import type {
  AnyDriver,
  Arrival,
  Attempt,
  Driver,
  Memory,
  OutboundMail,
  Outcome,
  WhenUncertain,
} from '../../src/driver/contract.js';
import { setting, settingsSchema, z } from '../../src/driver/settings.js';

export interface StandIn {
  readonly driver: AnyDriver;
  /** Puts a mail in and tells what happened to it. */
  put(key: string, raw?: string, confirm?: () => Promise<void>): Put;
  /** Every call of send. */
  readonly sends: { mail: OutboundMail; attempt: Attempt }[];
  /** Answers the next and all later sends. */
  onSend: (mail: OutboundMail, attempt: Attempt) => Promise<Outcome>;
  whenUncertain: WhenUncertain;
  readonly opened: number;
  /** What the flow gave the driver to remember with. */
  readonly memory: Memory | undefined;
  readonly closed: number;
  /** How many arrivals the flow has taken from the driver. */
  readonly taken: number;
  /** Makes `open` fail with this sentence. */
  refuseToOpen: string | null;
}

export interface Put {
  readonly events: string[];
}

const settings = settingsSchema({
  Name: setting(z.string(), { description: 'A word.', example: 'x' }),
  Password: setting(z.string().optional(), { description: 'A secret.', example: 'secret', secret: true }),
});

export function mail(subject: string, id = `${subject}@example.com`): string {
  return `From: Ann <ann@example.com>\r\nTo: support@example.com\r\nSubject: ${subject}\r\nMessage-ID: <${id}>\r\n\r\nHello ${subject}\r\n`;
}

export function standIn(): StandIn {
  const queue: Arrival[] = [];
  let wake = () => {};
  const me = {
    sends: [] as { mail: OutboundMail; attempt: Attempt }[],
    onSend: async (outbound: OutboundMail, _attempt: Attempt): Promise<Outcome> => ({
      kind: 'sent',
      deliverySystemId: outbound.messageId,
    }),
    whenUncertain: 'Resend' as WhenUncertain,
    opened: 0,
    memory: undefined as Memory | undefined,
    closed: 0,
    taken: 0,
    refuseToOpen: null as string | null,
  };
  const driver: Driver<{ Name: string }, object> = {
    device: 'StandIn',
    channel: 'Email',
    summary: 'For tests.',
    settings: settings as never,
    async open({ memory }) {
      me.memory = memory;
      if (me.refuseToOpen) throw new Error(me.refuseToOpen);
      me.opened++;
      return {};
    },
    async close() {
      me.closed++;
    },
    async *check() {
      yield { name: 'nothing', ok: true, detail: 'always well' };
    },
    async *receive(_session, signal) {
      const stop = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      while (!signal.aborted) {
        const next = queue.shift();
        if (next) {
          me.taken++;
          yield next;
        } else await Promise.race([stop, new Promise<void>((resolve) => (wake = resolve))]);
      }
    },
    async send(_session, outbound, attempt) {
      me.sends.push({ mail: outbound, attempt });
      return me.onSend(outbound, attempt);
    },
    whenUncertain: () => me.whenUncertain,
    sender: () => ({ address: 'support@example.com' }),
  };
  return Object.assign(me, {
    driver: driver as AnyDriver,
    put(key: string, raw: string = mail(key), confirm?: () => Promise<void>): Put {
      const events: string[] = [];
      const bytes = Buffer.from(raw);
      queue.push({
        key,
        fingerprint: '',
        bytes: bytes.length,
        content: { kind: 'mail', raw: bytes, receivedAt: Date.UTC(2026, 10, 22) },
        confirm: confirm ?? (async () => void events.push('confirmed')),
        refuse: async (reason) => void events.push(`refused: ${reason}`),
      });
      wake();
      return { events };
    },
  });
}
