// The contact center: acknowledges customers' messages with moods, asks for messages to be sent, and repeats a request
// whenever its answer is missing or an error, as the published interface says.
import { randomUUID } from 'node:crypto';
import type { CommandInfo, MessageContentInfo } from '../../src/model/message.js';
import type { FakeServer, Verdict } from '../servers/fake-server.js';
import type { Dice } from './random.js';

/** A request that was answered with an error is made again after this pause, ms. */
const RETRY_MS = 700;
/** The published limit of an answer, ms, and what the test grants beside it. */
const ANSWER_LIMIT_MS = 92_000;

export interface OutboundCase {
  readonly id: string;
  readonly gatewayId: string;
  readonly held: boolean;
  readonly request: Partial<MessageContentInfo>;
  /** The error texts and the success that came back, in order. */
  readonly answers: (string | null)[];
  requests: number;
  /** When the request that waits for its answer was made, ms; null while none waits. */
  askedAt: number | null;
  done: boolean;
}

export interface ContactCenter {
  cases(): OutboundCase[];
  /** Inbound messages that were answered "true": RequestId -> what was told at each attempt. */
  readonly told: ReadonlyMap<string, MessageContentInfo[]>;
  readonly accepted: ReadonlySet<string>;
  /** What went against the rules, one sentence each. */
  readonly violations: string[];
  /** `held`: an answer that says "delivery uncertain" ends the matter; else the request is repeated. */
  ask(message: { gatewayId: string; address: string; held: boolean }): void;
  /** True when every request has been answered with success or was given up after an honest "unknown". */
  settled(): boolean;
  stop(): void;
}

export interface Moods {
  /** Probabilities of "false" and of no answer for one inbound message. */
  reject: number;
  silent: number;
}

export function contactCenter(server: FakeServer, random: Dice, moods: () => Moods): ContactCenter {
  const cases = new Map<string, OutboundCase>();
  const told = new Map<string, MessageContentInfo[]>();
  const accepted = new Set<string>();
  const violations: string[] = [];
  let seen = 0;
  let connection = 0;

  server.onReceiving = (message): Verdict => {
    const requestId = message.RequestId ?? '';
    told.set(requestId, [...(told.get(requestId) ?? []), message]);
    if (accepted.has(requestId)) return true;
    if (random.chance(moods().silent)) return 'silent';
    if (random.chance(moods().reject)) return false;
    accepted.add(requestId);
    return true;
  };

  const send = (one: OutboundCase): void => {
    one.requests += 1;
    one.askedAt ??= Date.now();
    server.sendRequest(one.request);
  };

  const onAnswer = ({ Id, Data }: CommandInfo) => {
    const one = cases.get(Id ?? '');
    if (!one) return void violations.push(`an answer to a message that was never requested: ${Id}`);
    if (one.answers.includes(null) && Data !== null)
      violations.push(`${one.id} was answered "sent" and then "${Data}"`);
    one.answers.push(Data ?? null);
    one.askedAt = null;
    one.done = (Data ?? null) === null || (one.held && /delivery uncertain/.test(Data ?? ''));
  };

  /** Answers that came, a new connection, answers that are missing. */
  const timer = setInterval(() => {
    const frames = server.frames;
    for (; seen < frames.length; seen++) {
      const frame = frames[seen];
      if (frame?.code === 'ES_MESSAGE_SENT') onAnswer(frame.content);
    }
    const newest = server.connections.at(-1);
    if (!newest?.answered) return;
    const reconnected = newest.number !== connection;
    connection = newest.number;
    for (const one of cases.values()) {
      if (one.done) continue;
      if (one.askedAt === null) {
        if (random.chance(0.2)) send(one);
      } else if (reconnected) {
        one.askedAt = Date.now();
        send(one);
      } else if (Date.now() - one.askedAt > ANSWER_LIMIT_MS) {
        violations.push(`${one.id} was not answered within ${ANSWER_LIMIT_MS} ms`);
        one.done = true;
      }
    }
  }, RETRY_MS / 5);

  return {
    cases: () => [...cases.values()],
    told,
    accepted,
    violations,
    ask({ gatewayId, address, held }) {
      const id = randomUUID();
      const request = {
        MessageId: id,
        GatewayId: gatewayId,
        DeliverySystemId: `${id}@center.example`,
        RemoteAddress: address,
        SubjectField: `chaos ${id}`,
        BodyText: `chaos ${id}`,
        Direction: 'O',
      };
      const one = { id, gatewayId, request, held, answers: [], requests: 0, askedAt: null, done: false };
      cases.set(id, one);
    },
    settled: () => [...cases.values()].every((one) => one.done),
    stop: () => clearInterval(timer),
  };
}
