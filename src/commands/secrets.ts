// `gatepost secrets`: which hosts a secret belongs to. A running connector reads what is changed here at its next attempt to
// connect, within a minute.
import { type Config, secretHostsFolder } from '../config.js';
import { GatepostError } from '../kit/errors.js';
import { type SecretHostsFile, secretHostsFile } from '../pipeline/gateways/policy/secret-hosts.js';
import { isPolicyApplied } from '../policy-settings.js';
import type { Output } from './output.js';

export function allowCommand(
  config: Config,
  { name, host, plaintext }: { name: string; host: string; plaintext: boolean },
  { out }: Output,
): number {
  storeOf(config).allow(name, host, plaintext);
  out(`The secret ${name} may be sent to ${host}${plaintext ? ', and may cross a network without TLS' : ''}.\n`);
  return 0;
}

export function forgetCommand(config: Config, name: string, { out }: Output): number {
  if (!storeOf(config).forget(name)) {
    throw new GatepostError('secrets/unknown', `no host is remembered for a secret ${JSON.stringify(name)}`, {
      advice: 'see "gatepost secrets list" for the names',
    });
  }
  out(`The hosts of ${name} are forgotten: it belongs to the next host it is used for.\n`);
  return 0;
}

export function listCommand(config: Config, { out }: Output): number {
  const store = storeOf(config);
  const configured = Object.keys(config.policy.secrets);
  const names = [...new Set([...configured, ...config.policy.plaintextSecrets, ...store.names()])].sort();
  for (const name of names) out(line(name, config, store));
  if (names.length === 0) out('No secret has been used yet.\n');
  if (!isPolicyApplied(config))
    out('These hosts are not enforced: policy.apply is auto and server.mode is embedded.\n');
  return 0;
}

function line(name: string, { policy }: Config, store: SecretHostsFile): string {
  const known = store.of(name);
  const hosts = [...(policy.secrets[name] ?? []).map((host) => `${host} (configuration)`), ...(known?.hosts ?? [])];
  const plaintext = policy.plaintextSecrets.includes(name) || known?.plaintext ? ', also without TLS' : '';
  return `${name}: ${hosts.join(', ') || 'the first host it is used for'}${plaintext}\n`;
}

function storeOf(config: Config): SecretHostsFile {
  return secretHostsFile(secretHostsFolder(config));
}
