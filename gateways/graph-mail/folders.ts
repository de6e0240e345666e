// A folder by its path of display names, or by a well-known name.
import { GatepostError } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { type Api, extract } from './api.js';

const folderSchema = z.object({
  id: z.string().min(1),
  displayName: z.string().catch(''),
  totalItemCount: z.number().catch(0),
  unreadItemCount: z.number().catch(0),
});
export type Folder = z.output<typeof folderSchema>;
const listSchema = z.object({ value: z.array(folderSchema) });

const WELL_KNOWN = new Set(['inbox', 'archive', 'drafts', 'sentitems', 'deleteditems', 'junkemail', 'msgfolderroot']);
/** Deeper paths are a mistake. */
const DEEPEST = 20;

/** Rejects with a GatepostError when the mailbox has no such folder. */
export async function findFolder(api: Api, path: string, signal: AbortSignal): Promise<Folder> {
  const [first = '', ...rest] = path.split('/').filter((name) => name !== '');
  if (rest.length > DEEPEST) throw missing(path, path);
  const wellKnown = first.toLowerCase().replace(/\s+/g, '');
  let folder = WELL_KNOWN.has(wellKnown)
    ? extract(folderSchema, await api.need({ method: 'GET', path: `/mailFolders/${wellKnown}` }, signal))
    : await child(api, '/mailFolders', first, path, signal);
  for (const name of rest)
    folder = await child(api, `/mailFolders/${encodeURIComponent(folder.id)}/childFolders`, name, path, signal);
  return folder;
}

async function child(api: Api, within: string, name: string, path: string, signal: AbortSignal): Promise<Folder> {
  const filter = encodeURIComponent(`displayName eq '${name.replaceAll("'", "''")}'`);
  const { value } = extract(listSchema, await api.need({ method: 'GET', path: `${within}?$filter=${filter}` }, signal));
  const found = value.find(({ displayName }) => displayName.toLowerCase() === name.toLowerCase());
  if (!found) throw missing(name, path);
  return found;
}

function missing(name: string, path: string): GatepostError {
  const where = name === path ? '' : ` of the path "${path}"`;
  return new GatepostError('graph/no-folder', `the mailbox has no folder "${name}"${where}`, {
    advice: 'write the names of the folders as Outlook shows them, separated by "/"',
  });
}
