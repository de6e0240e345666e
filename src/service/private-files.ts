// The connector's own files belong to its user alone: customers' messages, link keys, tokens.
import { chmodSync, existsSync, statSync } from 'node:fs';
import type { Config } from '../config.js';
import { codeOf, GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { ownFilesOf } from '../policy-settings.js';

/** Windows has access lists instead. */
const HAS_MODES = process.platform !== 'win32';

/** Files of earlier versions were readable for every user of the machine: their rights are taken back. Never throws. */
export function tightenFiles(config: Config, log: Log): void {
  if (!HAS_MODES) return;
  const own = ownFilesOf(config).filter((path) => path !== config.secretsDir && !isConfiguration(path, config));
  // Programs of other users may drop mails into a folder of the data folder: its group may still pass through.
  tighten(config.dataDir, 0o027, log);
  for (const path of own) tighten(path, 0o077, log);
}

function isConfiguration(path: string, { file, frontdesk, server }: Config): boolean {
  return path === file || path === frontdesk.gateways || path === server.tlsKey;
}

function tighten(path: string, forbidden: number, log: Log): void {
  try {
    const { mode } = statSync(path);
    if ((mode & forbidden) === 0) return;
    chmodSync(path, mode & 0o777 & ~forbidden);
    log.info({ file: path }, 'rights of other users were taken back');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT')
      log.warn({ file: path, err: messageOf(error) }, 'rights of a file cannot be changed');
  }
}

/** A secret that every user of the machine can read is none. Throws a GatepostError. */
export function assertSecretsPrivate({ secretsDir, policy }: Config): void {
  if (!HAS_MODES || policy.openSecretsDir || !existsSync(secretsDir)) return;
  if ((statSync(secretsDir).mode & 0o007) === 0) return;
  throw new GatepostError(
    'config/open-secrets',
    `the secrets folder ${secretsDir} can be read by other users of this machine`,
    {
      advice: `run "chmod 700 ${secretsDir}" (in a container without other users, set policy.openSecretsDir)`,
    },
  );
}
