import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { inboundMessage, outboundMessage } from '../../test/fixtures/journal.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { openJournal } from '../journal/open.js';
import type { Journal } from '../journal/types/journal.js';
import type { MessageTrace } from '../journal/types/log.js';
import { silentLog } from '../kit/log.js';
import { traceCommand } from './trace.js';

let folder: string;
let journal: Journal;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatepost-trace-'));
  journal = await openJournal(`sqlite:${join(folder, 'journal.db')}`, { clock: manualClock(), log: silentLog });
});
afterEach(async () => {
  await journal.close();
  rmSync(folder, { recursive: true, force: true });
});

async function trace(id: string, traces: Pick<Journal, 'traces'> = journal): Promise<string> {
  let printed = '';
  const print = (text: string) => {
    printed += text;
  };
  await traceCommand(id, 'text', traces, new Map([['in', 'Support']]), { out: print, say: print, isTerminal: false });
  return printed;
}

it('shows the ids, when the message was received, and its events', async () => {
  await journal.open(inboundMessage('question'));
  const printed = await trace('question');
  expect(printed).toMatch(/^Inbound message received through Support: pending\n/);
  expect(printed).toMatch(/^ {2}Received {11}\d{4}-/m);
  expect(printed).toMatch(/ received /);
  expect(printed).not.toContain('Related messages');
});

it('says when the sender of a message was asked to come again', async () => {
  const record = await journal.open(inboundMessage('question'));
  await journal.deferred(record.id);
  expect(await trace('question')).toMatch(/^ {2}Deferred {11}\d{4}-/m);
});

it('shows when an outbound message was requested, and how often it was answered', async () => {
  await journal.accept(outboundMessage('00000000-0000-4000-8000-000000000001'));
  const printed = await trace('00000000-0000-4000-8000-000000000001');
  expect(printed).toMatch(/^ {2}Requested {10}\d{4}-/m);
  expect(printed).toMatch(/^ {2}Answers {12}0 of 1$/m);
});

it('names each related message with the command that shows it', async () => {
  const found: MessageTrace = {
    is: 'inbound',
    gatewayId: 'in',
    state: 'confirmed',
    ids: [{ label: 'Key', value: 'question' }],
    related: [
      { kind: 'answer', id: 'id-1' },
      { kind: 'answers', id: 'id-2' },
      { kind: 'notice', id: 'id-3' },
      { kind: 'notice of', id: 'id-4' },
    ],
    entries: [],
  };
  const printed = await trace('question', { traces: async () => [found] });
  expect(printed).toContain(
    [
      'Related messages:',
      '  Answered by        gatepost trace id-1',
      '  Answers            gatepost trace id-2',
      '  Notice of its end  gatepost trace id-3',
      '  Notice about       gatepost trace id-4',
      '',
    ].join('\n'),
  );
});
