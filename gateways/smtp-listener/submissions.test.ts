import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import type { SpoolFile } from './spool-file.js';
import { openSubmissions } from './submissions.js';

/** A mail in memory; `discarding` is how long it takes to give its file back. */
function fileOf(discarding: Promise<void> = Promise.resolve(), read = async () => Buffer.from('mail')): SpoolFile {
  return { size: 4, add: async () => {}, start: async () => Buffer.from('mail'), read, discard: () => discarding };
}

function listening() {
  const submissions = openSubmissions(manualClock(), createDriverState(), 60_000);
  const messages = submissions.inboundMessages(new AbortController().signal);
  const submit = (file: SpoolFile) =>
    submissions.submit({
      file,
      line: Buffer.alloc(0),
      receivedAt: 0,
      envelope: { from: 'a@b.example', recipients: ['c@d.example'] },
      digest: 'd',
      unique: true,
      gone: new AbortController().signal,
    });
  return { messages, submit };
}

describe('a client that sends a mail which another client waits for', () => {
  it('hears its end, also when that comes while its own copy is being removed', async () => {
    const { messages, submit } = listening();
    const first = submit(fileOf());
    const { value: message } = await messages.next();
    let removed = () => {};
    const second = submit(fileOf(new Promise((resolve) => (removed = resolve))));
    await nextTurn();
    await message?.confirm();
    removed();
    expect([await first, await second]).toEqual([{ kind: 'accepted' }, { kind: 'accepted' }]);
  });
});

it('a client whose mail cannot be read back hears of it at once', async () => {
  const { messages, submit } = listening();
  const verdict = submit(fileOf(undefined, () => Promise.reject(new Error('the disk is gone'))));
  void messages.next();
  expect(await verdict).toMatchObject({ kind: 'deferred' });
});
