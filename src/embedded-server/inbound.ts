// Inbound messages: what is rejected and why, what is stored, and the one answer to each request.
import { type Clock, isoTime, yieldToEventLoop } from '../kit/clock.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { type CommandInfo, type GatewayInfo, LIMITS, type MessageContentInfo } from '../model/message.js';
import { guid, messageContentInfo, problemsOf } from '../simprot/messages.js';
import type { Incoming, TakeResult } from './inbox.js';
import type { Store, Tables } from './store.js';

export interface InboundHandler {
  /** Resolves with the answer, once what it says is durably true. Never rejects. */
  receive(content: unknown, from: Sender): Promise<CommandInfo>;
}

/** The connector a message comes from. */
export interface Sender {
  readonly name: string;
  readonly peers: readonly string[];
}

export interface InboundOptions {
  store: Store;
  clock: Clock;
  log: Log;
  gateways: () => readonly GatewayInfo[];
}

type Checked = { ok: true; incoming: Incoming } | { ok: false; reason: string };

interface Waiting {
  checked: Checked;
  from: Sender;
  /** The two members that the answer mirrors. */
  mirror: Pick<CommandInfo, 'RefId' | 'Reference'>;
  answer: (info: CommandInfo) => void;
}

const MANDATORY = ['DeliverySystemId', 'RemoteAddress', 'ReceivedSentTime'] as const;
/** The published type of Rating is a 16-bit number, of the other numbers a 32-bit one. */
const SHORTS = ['Rating'] as const;
const INTS = ['Mark', 'SpamLevel', 'SignatureValidity', 'Hierarchy'] as const;
/** A GUID in any form fits; longer ones are no correlation but ballast. */
const LONGEST_REQUEST_ID = 80;

export function inboundHandler({ store, clock, log, gateways }: InboundOptions): InboundHandler {
  let waiting: Waiting[] = [];

  // Messages that arrive in one turn of the event loop share one commit.
  const flush = async () => {
    await yieldToEventLoop();
    const batch = waiting;
    waiting = [];
    try {
      settle(batch);
    } catch (error) {
      if (batch.length === 1) return fail(batch, error);
      // One that cannot be stored must not take the others with it.
      for (const one of batch) alone(one);
    }
  };
  const alone = (one: Waiting) => {
    try {
      settle([one]);
    } catch (error) {
      fail([one], error);
    }
  };
  const settle = (batch: readonly Waiting[]) => {
    const at = clock.now();
    const verdicts = store.write((tables) => batch.map((one) => take(tables, one, at)));
    batch.forEach((one, index) => {
      const messageId = verdicts[index] ?? null;
      one.answer({ Id: messageId, ...one.mirror, Data: String(messageId !== null), TimeStamp: isoTime(at) });
    });
  };
  const fail = (batch: readonly Waiting[], error: unknown) => {
    const code = error instanceof GatepostError ? error.code : 'embedded-server/store';
    log.error({ code, error: messageOf(error) }, 'a message could not be stored and was answered with "false"');
    for (const { answer, mirror } of batch) {
      answer({ Id: null, ...mirror, Data: 'false', TimeStamp: isoTime(clock.now()) });
    }
  };

  return {
    receive(content, from) {
      const checked = check(content, from, gateways());
      return new Promise((answer) => {
        waiting.push({ checked, from, mirror: mirrorOf(content), answer });
        if (waiting.length === 1) void flush();
      });
    },
  };
}

/** The MessageId of the message as stored; null when it was rejected, the reason noted. */
function take({ inbox, events }: Tables, { checked, from }: Waiting, at: number): string | null {
  const result: TakeResult = checked.ok ? inbox.take(checked.incoming, at) : { kind: 'clash', reason: checked.reason };
  if (result.kind !== 'clash') return result.messageId;
  events.add(null, at, `refused a message from connector ${from.name}: ${result.reason}`);
  return null;
}

function check(content: unknown, from: Sender, gateways: readonly GatewayInfo[]): Checked {
  const parsed = messageContentInfo.safeParse(content);
  if (!parsed.success) return refusal(problemsOf(parsed.error));
  const message = parsed.data;
  const gateway = gateways.find(({ Id, Direction }) => Id === message.GatewayId && Direction === 'I');
  if (!gateway || !from.peers.includes((gateway.PeerAddress ?? '').toLowerCase())) {
    return refusal(`GatewayId: ${message.GatewayId} is no inbound gateway of this connector`);
  }
  const faults = faultsOf(message);
  if (faults.length > 0) return refusal(faults.join('; '));
  const { DeliverySystemId, RemoteAddress } = message;
  if (!DeliverySystemId || !RemoteAddress) return refusal('a mandatory member is missing');
  return { ok: true, incoming: { message: { ...message, DeliverySystemId, RemoteAddress }, channel: gateway.Channel } };
}

function faultsOf(message: MessageContentInfo): string[] {
  const missing = MANDATORY.filter((name) => !message[name]?.trim()).map((name) => `${name}: is mandatory`);
  const long = limited().flatMap(([name, limit]) => {
    const length = message[name]?.length ?? 0;
    return length > limit ? [`${name}: has ${length} characters, at most ${limit} are allowed`] : [];
  });
  const large = [
    ...SHORTS.map((name) => ({ name, most: 0x7fff })),
    ...INTS.map((name) => ({ name, most: 0x7fffffff })),
  ].flatMap(({ name, most }) => {
    const value = message[name] ?? 0;
    return value > most || value < -most - 1 ? [`${name}: ${value} is out of range`] : [];
  });
  const direction = message.Direction ?? '';
  const wrong = /^i?$/i.test(direction) ? [] : [`Direction: is "${direction.slice(0, 20)}", not "I"`];
  return [...missing, ...long, ...large, ...wrong];
}

type Limited = keyof typeof LIMITS | 'RequestId';

function limited(): [Limited, number][] {
  return [
    ['DeliverySystemId', LIMITS.DeliverySystemId],
    ['InReplyToId', LIMITS.InReplyToId],
    ['FromField', LIMITS.FromField],
    ['RemoteAddress', LIMITS.RemoteAddress],
    ['ToField', LIMITS.ToField],
    ['ToCcField', LIMITS.ToCcField],
    ['ToBccField', LIMITS.ToBccField],
    ['SubjectField', LIMITS.SubjectField],
    ['RequestId', LONGEST_REQUEST_ID],
  ];
}

/** What can be mirrored of a request, even of an unreadable one, so that its sender recognises the answer. */
function mirrorOf(content: unknown): Pick<CommandInfo, 'RefId' | 'Reference'> {
  if (typeof content !== 'object' || content === null) return { RefId: null, Reference: null };
  const gatewayId = 'GatewayId' in content ? guid.safeParse(content.GatewayId).data : undefined;
  const requestId = 'RequestId' in content && typeof content.RequestId === 'string' ? content.RequestId : null;
  return { RefId: gatewayId ?? null, Reference: requestId };
}

function refusal(reason: string): Checked {
  return { ok: false, reason };
}
