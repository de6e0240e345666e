// Owns the Twilio stand-in for a person: starts it, says how to reach it, and takes send requests on standard input.
import { createInterface } from 'node:readline';
import { startTwilio } from './twilio.js';

const server = await startTwilio({ port: Number(process.argv[2]) || 0 });
const say = (text: string) => void process.stdout.write(`${text}\n`);

const { accountSid: AccountSid, authToken: AuthToken, number: Number_, url: BaseUrl } = server;
say(`A Twilio of your own listens at ${BaseUrl}. A gateway for it:`);
say(`  Twilio ${JSON.stringify({ AccountSid, AuthToken, Number: Number_, BaseUrl, PollSeconds: 5 })}`);
say('Everything it is sent is delivered. Commands:');
say('  in +420777123456 some text    somebody writes to the number');
say('  push URL                      the address that new messages are pushed to, as well');
say('  list                          all messages');

for await (const line of createInterface({ input: process.stdin })) {
  const [command = '', first = '', ...rest] = line.trim().split(/\s+/);
  if (command === 'in') {
    const message = server.receive({ from: first, text: rest.join(' ') });
    const reply = server.smsUrl ? await server.post(server.smsUrl, server.pushed(message)).catch(String) : 'not pushed';
    say(`${message.sid}: ${typeof reply === 'string' ? reply : `${reply.status} ${reply.text}`}`);
  } else if (command === 'push') server.smsUrl = first;
  else if (command === 'list')
    for (const { sid, direction, from, to, status, body } of server.account.messages)
      say(`${sid} ${direction} ${from} -> ${to} ${status}: ${body}`);
  else if (command) say('in NUMBER TEXT | push URL | list');
}
await server.close();
