// The bounds of one request, with a journal and gateways that misbehave.
import { beforeEach, describe, expect, it } from 'vitest';
import { OUT, sendRequest } from '../../../test/fixtures/connector.js';
import { type ManualClock, manualClock } from '../../../test/fixtures/manual-clock.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import type { OutboundRecord } from '../../journal/types/outbound.js';
import { silentLog } from '../../kit/log.js';
import type { OutboundGateway, SendResult } from '../gateways/gateway.js';
import { noMetrics } from '../metrics.js';
import { type SendRequestsDeps, sendRequests } from './send-requests.js';

const ID = 'aaaaaaaa-0000-4000-8000-000000000001';
const SENT: SendResult = { error: null, deliverySystemId: 'x' };
const never = () => new Promise<never>(() => {});
const message: OutboundRecord = {
  messageId: ID,
  gatewayId: OUT,
  state: 'accepted',
  attempts: [],
  deliverySystemId: null,
  detail: null,
  acceptedRecipients: [],
  firstAttemptAt: null,
};

let clock: ManualClock;
let written: { Data?: string | null }[];
beforeEach(() => {
  clock = manualClock();
  written = [];
});

const gateway = (deliver: () => Promise<SendResult>, accepts = true) =>
  ({ accepts, deliver }) as never as OutboundGateway;

function requests(found: OutboundGateway[], journal: Partial<SendRequestsDeps['journal']> = {}) {
  const [last] = found.slice(-1);
  const deps: SendRequestsDeps = {
    clock,
    random: () => 0.5,
    log: silentLog,
    metrics: noMetrics,
    answerMs: 85_000,
    signal: new AbortController().signal,
    serverLink: {
      up: true,
      untilUp: async () => {},
      send: async (_code, content) => void written.push(content as { Data?: string | null }),
      reset() {},
    },
    gateways: { outbound: async () => ({ is: 'running', gateway: found.shift() ?? (last as OutboundGateway) }) },
    journal: {
      accept: async () => ({ kind: 'new', outboundMessage: message }),
      requestedAgain: async () => {},
      answered: async () => {},
      outboundMessage: async () => message,
      reclaimAbandoned: async () => [],
      ...journal,
    },
  };
  const made = sendRequests(deps);
  made.connected();
  return made;
}

const answers = async (count: number) => {
  await waitFor(`${count} answers`, () => written.length === count);
  return written.map(({ Data }) => Data);
};

describe('a send request', () => {
  it('is not handed to a gateway that has begun to drain since it was found, but to the next one', async () => {
    let drained = 0;
    const draining = gateway(async () => {
      drained += 1;
      return { error: 'not sent', deliverySystemId: null };
    }, false);
    void requests([draining, gateway(async () => SENT)]).onSendRequest(sendRequest(ID));
    expect(await answers(1)).toEqual([null]);
    expect(drained).toBe(0);
  });

  it('is answered inside the time of the server when its delivery never ends', async () => {
    void requests([gateway(never)]).onSendRequest(sendRequest(ID));
    await clock.advance(89_500);
    expect(await answers(1)).toEqual([expect.stringMatching(/^delivery uncertain: the message is still being sent/)]);
  });

  it('that repeats a running one is answered in time also when the journal does not record it', async () => {
    const made = requests([gateway(never)], { requestedAgain: never });
    void made.onSendRequest(sendRequest(ID));
    await clock.advance(1_000);
    void made.onSendRequest(sendRequest(ID));
    await clock.advance(89_000);
    expect(await answers(2)).toHaveLength(2);
  });

  it('is answered when the journal does not say whether the message was sent meanwhile', async () => {
    const rejected = gateway(async () => ({ error: '550 no', deliverySystemId: null }));
    void requests([rejected], { outboundMessage: never }).onSendRequest(sendRequest(ID));
    await clock.advance(2_000);
    expect(await answers(1)).toEqual(['550 no']);
  });
});
