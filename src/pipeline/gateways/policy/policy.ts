// What the contact-center server may make gateways do on this machine. The server defines gateways; it does not own the
// connector: folders, hosts and secrets are the connector administrator's to give.
import type { AnyDriver } from '../../../driver/contract.js';
import { type Network, openNetwork } from '../../../driver/network.js';
import { isRecord, type PathUse, type SettingsSchema } from '../../../driver/settings.js';
import { GatepostError, messageOf } from '../../../kit/errors.js';
import { assertPath, type FolderRules } from './folders.js';
import { type HostRule, restrictedNetwork } from './hosts.js';
import { judgeSecret, type SecretHosts, type SecretUse, type SecretVerdict, type Travel } from './secret-hosts.js';

/** What the policy has to know of a gateway. */
export interface JudgedGateway {
  readonly driver: Pick<AnyDriver, 'device' | 'settings' | 'destinations'>;
  readonly settings: unknown;
  /** The settings that are written as references, and the names of the secrets. */
  readonly secretNames?: readonly SecretName[];
}

export interface SecretName {
  /** As written: `password`, `Mailbox.Password`. */
  readonly setting: string;
  readonly name: string;
}

export interface PolicyProblem {
  readonly setting: string | null;
  readonly message: string;
}

export interface GatewayPolicy {
  /** Everything in the settings of a gateway that the policy refuses. A secret that is used for the first time is remembered. */
  problemsOf(gateway: JudgedGateway): Promise<PolicyProblem[]>;
  /** Throws a GatepostError with all problems; called right before a gateway connects. */
  admit(gateway: JudgedGateway): Promise<void>;
  network(device: string): Network;
}

export interface PolicyRules {
  readonly folders: FolderRules;
  readonly hosts: readonly HostRule[];
  /** By the name of the secret. */
  readonly secrets: ReadonlyMap<string, SecretUse>;
  readonly secretHosts: SecretHosts;
}

/** For gateways that the administrator of this machine wrote. */
export const openPolicy: GatewayPolicy = {
  problemsOf: async () => [],
  admit: async () => {},
  network: () => openNetwork,
};

export function gatewayPolicy(rules: PolicyRules): GatewayPolicy {
  const problemsOf = async (gateway: JudgedGateway) => [
    ...(await pathProblems(gateway, rules.folders)),
    ...hostProblems(gateway, rules.hosts),
    ...secretProblems(gateway, rules),
  ];
  return {
    problemsOf,
    async admit(gateway) {
      const problems = await problemsOf(gateway);
      if (problems.length === 0) return;
      const sentences = problems.map(({ setting, message }) => (setting ? `${setting} ${message}` : message));
      throw new GatepostError('policy/refused', sentences.join('; '));
    },
    network: (device) => restrictedNetwork(device, rules.hosts),
  };
}

async function pathProblems({ driver, settings }: JudgedGateway, rules: FolderRules): Promise<PolicyProblem[]> {
  const problems: PolicyProblem[] = [];
  for (const { setting, use, path } of pathsIn(driver.settings, settings)) {
    await assertPath(path, use, rules).catch((error) => problems.push({ setting, message: sentence(error) }));
  }
  return problems;
}

interface WrittenPath {
  readonly setting: string;
  readonly use: PathUse;
  readonly path: string;
}

function pathsIn(schema: SettingsSchema<unknown>, settings: unknown, within = ''): WrittenPath[] {
  if (!isRecord(settings)) return [];
  return schema.names.flatMap((name) => {
    const { path: use, holds } = schema.meta(name);
    const value = settings[name];
    if (holds) return pathsIn(holds.settings, value, `${within}${name}.`);
    return use && typeof value === 'string' ? [{ setting: within + name, use, path: value }] : [];
  });
}

/** Only hosts that are written as addresses: names are judged when they are resolved, right before the connection. */
function hostProblems({ driver, settings }: JudgedGateway, rules: readonly HostRule[]): PolicyProblem[] {
  const network = restrictedNetwork(driver.device, rules);
  return (driver.destinations?.(settings) ?? []).flatMap(({ host }) => {
    try {
      network.to(host);
      return [];
    } catch (error) {
      return [{ setting: null, message: sentence(error) }];
    }
  });
}

function secretProblems({ driver, settings, secretNames = [] }: JudgedGateway, rules: PolicyRules): PolicyProblem[] {
  const destinations = driver.destinations?.(settings) ?? [];
  return secretNames.flatMap(({ setting, name }) => {
    const travels = destinations.filter(({ secrets }) => secrets.some((one) => sameName(one, setting)));
    return travels.length === 0 ? [] : problemsOfSecret(setting, name, travels, rules);
  });
}

function problemsOfSecret(
  setting: string,
  name: string,
  travels: readonly Travel[],
  { secrets, secretHosts }: PolicyRules,
): PolicyProblem[] {
  const judge = () => {
    const known = secretHosts.of(name);
    return travels.map((travel) => ({ ...travel, verdict: judgeSecret(travel, secrets.get(name), known) }));
  };
  const problemsIn = (verdicts: ReturnType<typeof judge>) =>
    verdicts.flatMap(({ host, verdict }) => {
      const message = refusal(verdict, name, host);
      return message ? [{ setting, message }] : [];
    });
  const verdicts = judge();
  const problems = problemsIn(verdicts);
  if (problems.length > 0 || !verdicts.some(({ verdict }) => verdict === 'first use')) return problems;
  try {
    secretHosts.remember(name, [...new Set(travels.map(({ host }) => host))]);
    // Another process may have been first, with another host.
    return problemsIn(judge());
  } catch (error) {
    return [{ setting, message: sentence(error) }];
  }
}

function refusal(verdict: SecretVerdict, name: string, host: string): string | null {
  if (verdict === 'other host')
    return `would send the secret ${name} to ${host}, but it belongs to another host: if that is right, run "gatepost secrets allow ${name} ${host}"`;
  if (verdict === 'plaintext')
    return `would send the secret ${name} to ${host} without TLS and a verified certificate: use TLS, or run "gatepost secrets allow ${name} ${host} --plaintext"`;
  return null;
}

function sentence(error: unknown): string {
  const advice = error instanceof GatepostError && error.advice ? `; ${error.advice}` : '';
  return messageOf(error) + advice;
}

const sameName = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();
