// MYRIGHTS (RFC 4314, 3.5), which the library has no call for.
import type { Connection } from './connection.js';
import { execute, type Untagged } from './execute.js';
import type { Settings } from './settings.js';

/** The rights of the user on a folder, as letters; undefined when the server does not show them. */
export async function myRights(connection: Connection, folder: string): Promise<string | undefined> {
  let rights: string | undefined;
  const MYRIGHTS: Untagged = async ({ attributes }) => {
    rights = String(attributes?.at(-1)?.value ?? '');
  };
  await execute(connection, 'asking for rights', 'MYRIGHTS', { values: [folder], untagged: { MYRIGHTS } });
  return rights || undefined;
}

/** `d` and `c` are the letters of RFC 2086, in which one stood for several. */
const NEEDED: Readonly<Record<Settings['AfterReceive'], readonly (readonly [string, string])[]>> = {
  Keep: [],
  Seen: [['s', 'marking as read (s)']],
  Move: [
    ['td', 'deleting (t)'],
    ['ed', 'expunging (e)'],
  ],
  Delete: [
    ['td', 'deleting (t)'],
    ['ed', 'expunging (e)'],
  ],
};

/** The rights that a policy needs and that are missing; undefined when none is. */
export function lacking(rights: string, policy: Settings['AfterReceive']): string | undefined {
  const missing = NEEDED[policy].filter(([letters]) => ![...letters].some((letter) => rights.includes(letter)));
  return missing.length > 0 ? missing.map(([, right]) => right).join(' and ') : undefined;
}
