import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '../../test/conformance/context.js';
import { conform, type InboundCounterparty, type OutboundCounterparty } from '../../test/conformance/suite.js';
import { dropFolder } from './driver.js';

const filesIn = (path: string) =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory()
    ? readdirSync(path).filter((name) => /\.eml(\.\$\$\$)?$/.test(name))
    : [];

async function inbound(): Promise<InboundCounterparty> {
  const { dir, remove } = tempDir();
  const folder = join(dir, 'drop');
  const settings = { FolderName: 'drop', PollSeconds: 0.1 };
  mkdirSync(folder);
  writeFileSync(join(dir, 'a-file'), '');
  let count = 0;
  return {
    settings,
    unreachable: { ...settings, FolderName: 'a-file/drop' },
    dataDir: dir,
    offer: async (raw) => writeFileSync(join(folder, `mail ${++count}.eml`), raw),
    unconfirmed: () => filesIn(folder).length,
    rejected: () => filesIn(join(folder, 'refused')).length,
    close: async () => remove(),
  };
}

async function outbound(): Promise<OutboundCounterparty & { folder: string }> {
  const { dir, remove } = tempDir();
  const folder = join(dir, 'pickup');
  const settings = { FolderName: 'pickup' };
  writeFileSync(join(dir, 'a-file'), '');
  return {
    folder,
    settings,
    unreachable: { ...settings, FolderName: 'a-file/pickup' },
    dataDir: dir,
    delivered: () => filesIn(folder).map((name) => ({ raw: readFileSync(join(folder, name)) })),
    close: async () => remove(),
  };
}

conform(dropFolder, {
  inbound,
  outbound,
  cuts: [
    {
      name: 'the folder is gone',
      arm: ({ folder }) => renameSync(folder, `${folder}-away`),
      outcomes: ['deferred'],
    },
    {
      name: 'a file is where the folder should be',
      arm: ({ folder }) => {
        renameSync(folder, `${folder}-away`);
        writeFileSync(folder, '');
      },
      outcomes: ['deferred'],
    },
  ],
});
