// A process that works with the journal until it is killed: every step that its promise confirmed goes to standard output.
// Arguments: the compiled src folder, the journal's URL. Run by crash.test.ts.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, url] = process.argv.slice(2);
const load = (file) => import(pathToFileURL(join(folder, file)).href);
const { openJournal } = await load('journal/open.js');
const { systemClock } = await load('kit/clock.js');
const { silentLog } = await load('kit/log.js');

const say = (...words) => writeSync(1, `${words.join(' ')}\n`);
const journal = await openJournal(url, { clock: systemClock, log: silentLog });
say('opened');

async function mail(key) {
  const attachments = [{ id: `link-${key}`, name: 'a.txt', type: 'text/plain', bytes: Buffer.from(key) }];
  const { id, state, requestId } = await journal.open({
    gatewayId: 'in',
    key,
    fingerprint: key,
    deliverySystemId: key,
    rfcMessageId: key,
    references: null,
    remoteAddress: 'a@b.example',
    subject: key,
    bytes: 1,
    notes: [],
    attachments,
  });
  say('open', key, requestId);
  if (state === 'open') await journal.acknowledge(requestId, { messageId: `message-${key}`, at: 1 });
  say('acknowledged', key, requestId);
  await journal.confirmed([id]);
  say('confirmed', key, requestId);
}

async function order(id) {
  const { kind } = await journal.accept({
    messageId: id,
    gatewayId: 'out',
    remoteAddress: 'a@b.example',
    subject: id,
    bytes: 1,
    at: systemClock.now(),
  });
  say('accepted', id, kind);
  if (kind !== 'new' && kind !== 'again') return;
  const attempt = await journal.begin(id, `${id}@shop.example`);
  say('begun', id, attempt);
  // Here it goes out: from now on nobody may send it again without asking.
  say('SENT', id, attempt);
  await journal.settle(id, attempt, { kind: 'sent', deliverySystemId: `${id}@shop.example` });
  say('settled', id, attempt);
}

async function worker(number) {
  for (let index = number; ; index += 8) {
    await mail(`m${index}`);
    await order(`o${index}`);
  }
}

await Promise.all(Array.from({ length: 8 }, (_, number) => worker(number)));
