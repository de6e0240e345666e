// The SMSC of the measurements, run as a process of its own: npm `smpp` and nothing around it. It accepts every bind and
// every submit_sm at once, and delivers what it is told to.
import smpp, { type PDU, type Session } from 'smpp';
import { nowMs } from './machine.js';
import { benchText, DESK } from './sms-texts.js';
import { type SmscCommand, type SmscReport, smscCommand } from './smsc-words.js';

let peer: Session | undefined;
let submits = 0;

const tell = (report: SmscReport) => void process.send?.(report);

const server = smpp.createServer((session) => {
  session.socket.setNoDelay(true);
  session.on('error', () => session.destroy()); // the other side is ended at will
  session.on('bind_transceiver', (pdu: PDU) => {
    peer = session;
    session.send(pdu.response({ system_id: 'BENCH' }));
    tell({ is: 'bound' });
  });
  session.on('submit_sm', (pdu: PDU) => {
    submits += 1;
    session.send(pdu.response({ message_id: submits.toString(16).padStart(8, '0') }));
  });
  for (const command of ['enquire_link', 'unbind'])
    session.on(command, (pdu: PDU) => void session.send(pdu.response()));
});

/** `window` of them unanswered at any time. */
function deliver({ what, first, count, window }: Extract<SmscCommand, { do: 'deliver' }>): void {
  const session = peer;
  if (!session) throw new Error('nobody is bound');
  const fields = what === 'texts' ? textFields : partFields;
  const startedAt = nowMs();
  let next = 0;
  let answered = 0;
  let refused = 0;
  const one = () => void session.send(new smpp.PDU('deliver_sm', fields(first + next++)), take);
  const take = (answer: PDU) => {
    answered += 1;
    if (answer.command_status !== 0) refused += 1;
    if (next < count) one();
    if (answered === count) tell({ is: 'delivered', ms: nowMs() - startedAt, refused });
  };
  while (next < Math.min(window, count)) one();
}

function textFields(number: number) {
  const { customer, body, coding } = benchText(number);
  return { ...addresses(customer), data_coding: coding, short_message: body };
}

/** The first of two parts, whose other one never comes; user data header of 3GPP TS 23.040, 9.2.3.24.1. */
function partFields(number: number) {
  const { customer, body } = benchText(number);
  const header = Buffer.from([5, 0, 3, number & 0xff, 2, 1]);
  const text = Buffer.from(body.padEnd(153, ' .').slice(0, 153), 'latin1');
  return { ...addresses(customer), esm_class: 0x40, data_coding: 0, short_message: Buffer.concat([header, text]) };
}

function addresses(customer: string) {
  const international = { source_addr_ton: 1, source_addr_npi: 1, dest_addr_ton: 1, dest_addr_npi: 1 };
  return { ...international, source_addr: customer.slice(1), destination_addr: DESK.slice(1) };
}

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  tell({ is: 'listening', port: address !== null && typeof address === 'object' ? address.port : 0 });
});
process.on('message', (message) => {
  const { success, data } = smscCommand.safeParse(message);
  if (!success) return;
  if (data.do === 'deliver') deliver(data);
  else tell({ is: 'counted', submits });
});
