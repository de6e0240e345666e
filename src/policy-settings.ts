import { dirname, join } from 'node:path';
import { attachmentFolder, type Config, secretHostsFolder } from './config.js';
import { controlFolder } from './pipeline/control-requests.js';
import { parseHostRule } from './pipeline/gateways/policy/hosts.js';
import { type GatewayPolicy, gatewayPolicy, openPolicy } from './pipeline/gateways/policy/policy.js';
import {
  inMemory,
  type SecretHosts,
  type SecretUse,
  secretHostsFile,
} from './pipeline/gateways/policy/secret-hosts.js';

/** True when somebody else than the administrator of this machine writes the gateways. */
export function isPolicyApplied({ policy, server }: Config): boolean {
  return policy.apply === 'always' || server.mode === 'remote';
}

/** What gateways may do here. With `remembers` false (commands that only check), the first use of a secret is not stored. */
export function policyOf(config: Config, { remembers }: { remembers: boolean }): GatewayPolicy {
  if (!isPolicyApplied(config)) return openPolicy;
  const file = secretHostsFile(secretHostsFolder(config));
  return gatewayPolicy({
    folders: { allowed: config.policy.folders, dataDir: config.dataDir, ownFiles: ownFilesOf(config) },
    hosts: config.policy.hosts.flatMap((text) => parseHostRule(text) ?? []),
    secrets: configuredSecrets(config),
    secretHosts: remembers ? file : inMemory(file as SecretHosts),
  });
}

/** What SQLite keeps beside a database: the newest messages are there first. */
const BESIDE = ['', '-wal', '-shm', '-journal'];

/** What no gateway may read or write, whatever folders are allowed. */
export function ownFilesOf(config: Config): string[] {
  const journal = config.journal.slice('sqlite:'.length);
  return [
    config.secretsDir,
    attachmentFolder(config),
    secretHostsFolder(config),
    controlFolder(config.dataDir),
    ...['link.key', 'gatepost.lock', 'crashes.json', 'reading', 'smtp-listener'].map((name) =>
      join(config.dataDir, name),
    ),
    ...[journal, config.frontdesk.store].flatMap((path) => (path === '' ? [] : BESIDE.map((end) => path + end))),
    config.frontdesk.gateways,
    ...(config.file === null ? [] : [config.file]),
    ...(config.server.tlsKey === '' ? [] : [config.server.tlsKey]),
  ].filter((path) => path !== '' && dirname(path) !== path);
}

function configuredSecrets({ policy }: Config): Map<string, SecretUse> {
  const names = new Set([...Object.keys(policy.secrets), ...policy.plaintextSecrets]);
  return new Map(
    [...names].map((name) => [
      name,
      { hosts: policy.secrets[name] ?? [], plaintext: policy.plaintextSecrets.includes(name) },
    ]),
  );
}
