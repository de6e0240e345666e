import { afterAll, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/conformance/context.js';
import { receiveData } from './data.js';
import { settings } from './settings.js';
import { openSpool } from './spool-file.js';

const { dir, remove } = tempDir();
afterAll(remove);

describe('a mail that is much longer than the limit', () => {
  // A piece is what one read of the socket brings, so a small limit is passed twice over at once.
  it.each([
    ['in one piece', [3_000]],
    ['in a second piece', [500, 3_000]],
    ['in many pieces', [500, 500, 500, 500, 500]],
  ])('%s never becomes a mail of which a part is missing', async (_, lengths) => {
    const parsed = settings.parse({ Recipients: ['a@b.example'], MaxMessageBytes: 1_024 });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const spool = openSpool(dir);
    let cuts = 0;
    async function* stream() {
      for (const length of lengths) yield Buffer.alloc(length, 'x');
    }
    const result = await receiveData(
      stream(),
      { from: '', recipients: ['a@b.example'] },
      { settings: parsed.settings, spool, sent() {}, cut: () => void cuts++ },
    );
    expect(result).toBeInstanceOf(Error);
    expect(cuts).toBeGreaterThan(0);
    expect(spool.bytes).toBe(0);
  });
});
