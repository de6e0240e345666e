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

async function mail(number) {
  const key = `m${number}`;
  const attachments = [{ id: `link-${key}`, name: 'a.txt', type: 'text/plain', bytes: Buffer.from(key) }];
  const arrival = {
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
  };
  // Every other one is pushed by somebody who cannot wait: after this it must be here whole, or taken.
  const { id, state, requestId } = await (number % 2
    ? journal.spool(arrival, Buffer.from(`raw ${key}`))
    : journal.open(arrival));
  say(number % 2 ? 'spooled' : 'pending', key, requestId);
  if (state === 'pending') await journal.acknowledge(requestId, { messageId: `message-${key}`, at: 1 });
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
  say('sending', id, attempt);
  // Here it goes out: from now on nobody may send it again without asking.
  say('SENT', id, attempt);
  // The receipt may be faster than the answer.
  const news = [{ id: `${id}-2`, state: 'delivered', at: 1, detail: null }];
  await journal.news('out', news);
  const ids = [`${id}-1`, `${id}-2`];
  await journal.settle(id, attempt, { kind: 'sent', deliverySystemId: `${id}@shop.example`, ids });
  say('settled', id, attempt);
  await journal.news('out', [{ id: `${id}-1`, state: 'delivered', at: 1, detail: null }]);
  say('delivered', id, attempt);
}

async function worker(number) {
  for (let index = number; ; index += 8) {
    await mail(index);
    await order(`o${index}`);
  }
}

await Promise.all(Array.from({ length: 8 }, (_, number) => worker(number)));
