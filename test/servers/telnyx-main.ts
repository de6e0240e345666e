// Runs the fake Telnyx on its own: prints its address and reads commands from standard input.
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { startTelnyx } from './telnyx.js';

const server = await startTelnyx({ port: Number(process.argv[2]) || 0 });
const print = (text: string) => void process.stdout.write(`${text}\n`);

const { apiKey: ApiKey, publicKey: PublicKey, connectionId: ConnectionId, number: Number_, url: BaseUrl } = server;
print(`The fake Telnyx listens at ${BaseUrl}. A gateway for it:`);
print(`  TelnyxFax ${JSON.stringify({ ApiKey, ConnectionId, Number: Number_, PublicKey, BaseUrl, PollSeconds: 5 })}`);
print('Everything that is sent to it is delivered. Commands:');
print('  in +16132484850 FILE    receives this PDF or TIFF as a fax');
print('  push URL                the address of the fax application, that events are pushed to as well');
print('  list                    all faxes');
print('  save ID FILE            the document of a fax');

async function obey(command: string, first: string, second: string): Promise<string> {
  if (command === 'in') {
    const fax = server.receive({ from: first, document: readFileSync(second) });
    const reply = server.appUrl ? await server.post(server.appUrl, server.event(fax)) : undefined;
    return `${fax.id}: ${reply ? `${reply.status} ${reply.text}` : 'not pushed'}`;
  }
  if (command === 'push') {
    server.appUrl = first;
    return `events go to ${first}`;
  }
  if (command === 'save') {
    writeFileSync(second, server.account.find(first)?.document ?? Buffer.alloc(0));
    return `saved as ${second}`;
  }
  if (command !== 'list') return 'in NUMBER FILE | push URL | list | save ID FILE';
  return server.account.faxes
    .map(({ id, direction, from, to, status, document }) =>
      [id, direction, from, '->', to, status, `${document?.length ?? 0} bytes`].join(' '),
    )
    .join('\n');
}

for await (const line of createInterface({ input: process.stdin })) {
  const [command = '', first = '', ...rest] = line.trim().split(/\s+/);
  if (command) print(await obey(command, first, rest.join(' ')).catch(String));
}
await server.close();
