// The baseline of text messages, run as a process of its own: npm `smpp` and nothing around it. It submits texts, a
// window of them unanswered, and answers what is delivered to it at once.
import smpp, { type PDU } from 'smpp';
import { z } from 'zod';
import { nowMs } from './machine.js';
import { benchText, DESK } from './sms-texts.js';
import { PASSWORD, SYSTEM_ID, submitJob } from './smsc-words.js';

const options = z.object({ port: z.number(), window: z.number() });
const { port, window } = options.parse(JSON.parse(process.argv[2] ?? ''));

// Sockets that send at once, as ours do: with the library's own, a window that is not full waits for Nagle.
const session = smpp.connect({ host: '127.0.0.1', port, noDelay: true }, () => {
  const bind = new smpp.PDU('bind_transceiver', { system_id: SYSTEM_ID, password: PASSWORD });
  session.send(bind, () => process.send?.('ready'));
});
session.on('deliver_sm', (pdu: PDU) => void session.send(pdu.response()));

function submit({ first, count }: z.infer<typeof submitJob>): void {
  const startedAt = nowMs();
  let next = 0;
  let answered = 0;
  let refused = 0;
  const one = () => void session.send(new smpp.PDU('submit_sm', fields(first + next++)), take);
  const take = (answer: PDU) => {
    answered += 1;
    if (answer.command_status !== 0) refused += 1;
    if (next < count) one();
    if (answered === count) process.send?.({ ms: nowMs() - startedAt, refused });
  };
  while (next < Math.min(window, count)) one();
}

function fields(number: number) {
  const { customer, body, coding } = benchText(number);
  return {
    source_addr_ton: 1,
    source_addr_npi: 1,
    source_addr: DESK.slice(1),
    dest_addr_ton: 1,
    dest_addr_npi: 1,
    destination_addr: customer.slice(1),
    data_coding: coding,
    registered_delivery: 0,
    short_message: body,
  };
}

process.on('message', (message) => {
  const { success, data } = submitJob.safeParse(message);
  if (success) submit(data);
});
process.channel?.ref();
