// The stub server, run as a process of its own: accepts every login, acknowledges every mail at once, sends send requests.
// It does as little as it can, because it shares the machine with what is measured.
import { randomUUID } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { z } from 'zod';
import { frame, onFrames } from './frames.js';
import { nowMs } from './machine.js';
import { benchText } from './sms-texts.js';
import { type Command, command, type Report, type SendRequestBatch } from './stub-words.js';

const mail = z.object({ DeliverySystemId: z.string(), GatewayId: z.string(), RequestId: z.string() });
const answer = z.object({ Id: z.string(), Data: z.string().nullish() });

const seen = new Map<string, number>();
let repeats = 0;
let expected = Number.POSITIVE_INFINITY;
let gateways: unknown[] | undefined;
let peer: Socket | undefined;
let asking = false;
let batch:
  | { of: SendRequestBatch; open: Set<string>; sentCount: number; since: number; failures: string[] }
  | undefined;

const tell = (report: Report) => void process.send?.(report);
const say = (code: string, content: unknown) => void peer?.write(frame(code, JSON.stringify(content)));

function take(code: string, content: unknown): void {
  if (code === 'ES_LOGIN') say('SE_LOGIN', { Success: true, KeepAlive: 15 });
  else if (code === 'ES_PING') peer?.write(frame('SE_PONG', null));
  else if (code === 'ES_SL_GETGATEWAYS') listGateways();
  else if (code === 'ES_MESSAGE_RECEIVING') acknowledge(mail.parse(content));
  else if (code === 'ES_MESSAGE_SENT') settle(answer.parse(content));
}

function listGateways(): void {
  asking = true;
  if (gateways) say('SE_SL_MSGGATEWAYS', gateways);
  else tell({ is: 'asked' });
}

function acknowledge({ DeliverySystemId, GatewayId, RequestId }: z.infer<typeof mail>): void {
  const at = nowMs();
  const TimeStamp = new Date().toISOString();
  say('SE_MESSAGE_RECEIVED', { Id: randomUUID(), RefId: GatewayId, Reference: RequestId, Data: 'true', TimeStamp });
  if (seen.has(DeliverySystemId)) repeats += 1;
  else seen.set(DeliverySystemId, at);
  if (seen.size === expected) complete();
}

function complete(): void {
  expected = Number.POSITIVE_INFINITY;
  tell({ is: 'complete', seen: Object.fromEntries(seen), repeats });
}

function sendSendRequests(): void {
  if (!batch) return;
  const { of, open } = batch;
  while (batch.sentCount < of.count && open.size < of.window) {
    const MessageId = randomUUID();
    const number = of.first + batch.sentCount++;
    open.add(MessageId);
    say('SE_MESSAGE_SENDING', { MessageId, GatewayId: of.gatewayId, ...contentOf(of, number) });
  }
}

function contentOf({ of }: SendRequestBatch, number: number) {
  if (of === 'texts') {
    const { customer, body } = benchText(number);
    return { RemoteAddress: customer, BodyText: body };
  }
  return {
    RemoteAddress: `customer${number}@example.net`,
    SubjectField: `Your order ${number}`,
    BodyText: of.text,
    BodyHtml: of.html,
  };
}

function settle({ Id, Data }: z.infer<typeof answer>): void {
  if (!batch?.open.delete(Id.toLowerCase())) return;
  if (Data) batch.failures.push(Data);
  sendSendRequests();
  if (batch.open.size > 0) return;
  const { since, failures } = batch;
  batch = undefined;
  tell({ is: 'answered', ms: nowMs() - since, failures });
}

function obey(sendRequest: Command): void {
  if (sendRequest.do === 'expect') {
    expected = sendRequest.mails;
    if (seen.size === expected) complete();
  } else if (sendRequest.do === 'go') {
    gateways = sendRequest.gateways;
    if (asking) say('SE_SL_MSGGATEWAYS', gateways);
  } else {
    batch = { of: sendRequest.batch, open: new Set(), sentCount: 0, since: nowMs(), failures: [] };
    sendSendRequests();
  }
}

const server = createServer((socket) => {
  peer = socket;
  socket.setNoDelay(true);
  socket.on('error', () => {}); // the other side is ended at will
  onFrames(socket, take);
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  tell({ is: 'listening', port });
});
process.on('message', (message) => obey(command.parse(message)));
