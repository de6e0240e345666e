// Runs the fake Twilio on its own: prints its address and reads commands from standard input.
import { createInterface } from 'node:readline';
import { startTwilio } from './twilio.js';

const server = await startTwilio({ port: Number(process.argv[2]) || 0 });
const print = (text: string) => void process.stdout.write(`${text}\n`);

const { accountSid: AccountSid, authToken: AuthToken, number: Number_, url: BaseUrl } = server;
print(`The fake Twilio listens at ${BaseUrl}. A gateway for it:`);
print(`  Twilio ${JSON.stringify({ AccountSid, AuthToken, Number: Number_, BaseUrl, PollSeconds: 5 })}`);
print('Everything that is sent to it is delivered. Commands:');
print('  in +420777123456 some text    receives a message');
print('  push URL                      the address that new messages are pushed to, as well');
print('  list                          all messages');

for await (const line of createInterface({ input: process.stdin })) {
  const [command = '', first = '', ...rest] = line.trim().split(/\s+/);
  if (command === 'in') {
    const message = server.receive({ from: first, text: rest.join(' ') });
    const reply = server.smsUrl ? await server.post(server.smsUrl, server.pushed(message)).catch(String) : 'not pushed';
    print(`${message.sid}: ${typeof reply === 'string' ? reply : `${reply.status} ${reply.text}`}`);
  } else if (command === 'push') server.smsUrl = first;
  else if (command === 'list')
    for (const { sid, direction, from, to, status, body } of server.account.messages)
      print(`${sid} ${direction} ${from} -> ${to} ${status}: ${body}`);
  else if (command) print('in NUMBER TEXT | push URL | list');
}
await server.close();
