// Measures what the journal costs per inbound and per outbound message: `npm run build && node test/bench/journal.mjs`. Not a test.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../dist/src/journal/open.js';
import { systemClock } from '../../dist/src/kit/clock.js';
import { silentLog } from '../../dist/src/kit/log.js';

const MAILS = 5_000;
const AT_ONCE = 64;

const dir = mkdtempSync(join(tmpdir(), 'gatepost-bench-'));
const journal = await openJournal(`sqlite:${join(dir, 'journal.db')}`, { clock: systemClock, log: silentLog });

async function measured(name, count, work) {
  let next = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let index = next++; index < count; index = next++) await work(index);
    }),
  );
  const { user, system } = process.cpuUsage(cpu);
  const wall = performance.now() - start;
  const each = (us) => (us / 1000 / count).toFixed(3);
  console.log(
    `${name}: ${each(user + system)} ms CPU, ${(wall / count).toFixed(3)} ms wall, ${Math.round((count / wall) * 1000)}/s`,
  );
}

async function mail(index) {
  const key = `INBOX/1700000000/${index}`;
  await journal.recordsOf('in', [key]);
  const { id, requestId } = await journal.open({
    gatewayId: 'in',
    key,
    fingerprint: `fingerprint-${index}`,
    deliverySystemId: `message-${index}@customers.example`,
    rfcMessageId: `message-${index}@customers.example`,
    references: `<first-${index}@customers.example> <message-${index}@customers.example>`,
    remoteAddress: `customer${index % 500}@customers.example`,
    subject: `Re: question ${index % 700}`,
    bytes: 4_000,
    notes: [],
    attachments: [],
  });
  await journal.dispatched(id, 1);
  await journal.acknowledge(requestId, { messageId: `message-id-${index}`, at: systemClock.now() });
  await journal.confirmed([id]);
}

async function outboundMessage(index) {
  const messageId = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const at = systemClock.now();
  await journal.accept({
    messageId,
    gatewayId: 'out',
    remoteAddress: 'a@b.example',
    subject: 'Re: x',
    bytes: 4_000,
    at,
  });
  const attempt = await journal.beginAttempt(messageId, `sent-${index}@shop.example`);
  await journal.recordOutcome(messageId, attempt, { kind: 'sent', deliverySystemId: `sent-${index}@shop.example` });
  await journal.answered(messageId, null);
}

await measured('warm-up', 500, (index) => mail(1_000_000 + index));
await measured('inbound (recordsOf, open, dispatched, acknowledge, confirmed)', MAILS, mail);
await measured('outbound (accept, begin attempt, record outcome, answered)', MAILS, outboundMessage);
await journal.close();
rmSync(dir, { recursive: true });
