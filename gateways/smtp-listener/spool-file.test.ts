import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/conformance/context.js';
import { MEMORY_BYTES, openSpool } from './spool-file.js';

const { dir, remove } = tempDir();
afterAll(remove);
const folder = join(dir, 'smtp-listener');
const bytes = (length: number) => Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 7) % 251));

describe('a mail that is received', () => {
  it.each([0, 1, 100, MEMORY_BYTES - 1, MEMORY_BYTES, MEMORY_BYTES + 1, 3 * MEMORY_BYTES + 17])(
    'of %i bytes is read back behind its prefix',
    async (length) => {
      const spool = openSpool(folder).open();
      const mail = bytes(length);
      for (let at = 0; at < length; at += 10_007) await spool.add(mail.subarray(at, at + 10_007));
      expect(spool.size).toBe(length);
      expect((await spool.start(MEMORY_BYTES + 5)).equals(mail.subarray(0, MEMORY_BYTES + 5))).toBe(true);
      for (let round = 0; round < 2; round++)
        expect(
          (await spool.read(Buffer.from('Received: x\r\n'))).equals(
            Buffer.concat([Buffer.from('Received: x\r\n'), mail]),
          ),
        ).toBe(true);
      await spool.discard();
      await spool.discard();
    },
  );

  it('leaves no file behind, whatever ends the process: the name is gone at once', async () => {
    const unused = join(dir, 'unused');
    const short = openSpool(unused).open();
    await short.add(bytes(MEMORY_BYTES));
    expect(existsSync(unused)).toBe(false);
    const long = openSpool(folder).open();
    await long.add(bytes(2 * MEMORY_BYTES));
    expect(readdirSync(folder)).toEqual([]);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await long.discard();
  });

  it('in pieces of one byte takes no more memory than in large ones', async () => {
    const spool = openSpool(folder).open();
    const before = process.memoryUsage();
    const one = Buffer.from('x');
    for (let count = 0; count < 200_000; count++) await spool.add(one);
    const after = process.memoryUsage();
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 * MEMORY_BYTES);
    expect(spool.size).toBe(200_000);
    await spool.discard();
  });

  it('counts until it is given back', async () => {
    const spool = openSpool(folder);
    const [one, two] = [spool.open(), spool.open()];
    await one.add(bytes(2 * MEMORY_BYTES));
    await two.add(bytes(10));
    expect(spool.bytes).toBe(2 * MEMORY_BYTES + 10);
    await one.discard();
    expect(spool.bytes).toBe(10);
    await two.discard();
    expect(spool.bytes).toBe(0);
  });

  it('is refused when it cannot be written', async () => {
    writeFileSync(join(dir, 'file'), '');
    const spool = openSpool(join(dir, 'file')).open();
    await expect(spool.add(bytes(2 * MEMORY_BYTES))).rejects.toThrow();
  });
});
