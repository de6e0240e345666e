// A secret belongs to hosts: those that the configuration names, else the first ones it was used for. What was remembered or
// allowed later stands in one small file per secret, one line per host, so that no two writers can lose each other's line.
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, GatepostError, messageOf } from '../../../kit/errors.js';
import { isLoopbackHost, matchesHost, plainHost } from './hosts.js';

/** Hosts of one secret, and whether it may go to them unencrypted. */
export interface SecretUse {
  readonly hosts: readonly string[];
  readonly plaintext: boolean;
}

export interface SecretHosts {
  /** Undefined for a secret that was never used and never allowed. */
  of(name: string): SecretUse | undefined;
  /** Remembers the hosts of the first use, unless others are remembered already. Durable when it returns. */
  remember(name: string, hosts: readonly string[]): void;
}

export interface SecretHostsFile extends SecretHosts {
  allow(name: string, host: string, plaintext: boolean): void;
  forget(name: string): boolean;
  names(): string[];
}

export type SecretVerdict = 'allowed' | 'first use' | 'other host' | 'plaintext';

/** Hosts of the settings of one gateway to which one secret goes. */
export interface Travel {
  readonly host: string;
  readonly isProtected: boolean;
}

/** `configured` comes from the configuration, `known` from earlier uses. */
export function judgeSecret(
  { host, isProtected }: Travel,
  configured: SecretUse | undefined,
  known: SecretUse | undefined,
): SecretVerdict {
  const mayBePlain = configured?.plaintext || known?.plaintext;
  if (!isProtected && !isLoopbackHost(host) && !mayBePlain) return 'plaintext';
  const hosts = [...(configured?.hosts ?? []), ...(known?.hosts ?? [])];
  if (hosts.some((allowed) => matchesHost(allowed, host))) return 'allowed';
  return hosts.length === 0 ? 'first use' : 'other host';
}

/** The names that references can have (see secrets.ts); no separator, so that no path can be built. */
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$/;
const HOST = /^[^\s/]{1,253}$/;
const PLAINTEXT = 'plaintext';

export function secretHostsFile(folder: string): SecretHostsFile {
  const fileOf = (name: string) => {
    if (NAME.test(name)) return join(folder, name);
    throw new GatepostError('policy/secret', `${JSON.stringify(name)} is not the name of a secret`, {
      advice: 'give the name as in ${file:NAME} or ${env:NAME}',
    });
  };
  const append = (name: string, lines: readonly string[], flags: 'a' | 'wx') => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      appendDurably(fileOf(name), folder, lines, flags);
    } catch (error) {
      if (flags === 'wx' && codeOf(error) === 'EEXIST') return;
      throw new GatepostError('policy/secret', `cannot remember the hosts of the secret ${name}: ${messageOf(error)}`, {
        advice: `let the user that runs Gatepost write to ${folder}`,
        cause: error,
      });
    }
  };
  return {
    of: (name) => useOf(readLines(fileOf(name))),
    remember(name, hosts) {
      append(name, hosts.map(plainHost), 'wx');
      // A file without a line is what a crash or a full disk left of an earlier first use.
      if (readLines(fileOf(name)).length === 0) append(name, hosts.map(plainHost), 'a');
    },
    allow(name, host, plaintext) {
      if (!HOST.test(host))
        throw new GatepostError('policy/secret', `${JSON.stringify(host)} is not a host`, {
          advice: 'give the name or address as in the settings of the gateway, without port',
        });
      append(name, [plainHost(host), ...(plaintext ? [PLAINTEXT] : [])], 'a');
    },
    forget(name) {
      const existed = useOf(readLines(fileOf(name))) !== undefined;
      rmSync(fileOf(name), { force: true });
      return existed;
    },
    names: () => listed(folder),
  };
}

/** Reads like `base` and remembers in memory only: for commands that check and change nothing. */
export function inMemory(base: SecretHosts): SecretHosts {
  const seen = new Map<string, SecretUse>();
  return {
    of: (name) => base.of(name) ?? seen.get(name),
    remember: (name, hosts) => void seen.set(name, { hosts: hosts.map(plainHost), plaintext: false }),
  };
}

function useOf(lines: readonly string[]): SecretUse | undefined {
  if (lines.length === 0) return undefined;
  return { hosts: lines.filter((line) => line !== PLAINTEXT), plaintext: lines.includes(PLAINTEXT) };
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => NAME.test(name))
      .sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** One write of whole lines: readers and other writers never see half of one. */
function appendDurably(file: string, folder: string, lines: readonly string[], flags: 'a' | 'wx'): void {
  const handle = openSync(file, flags, 0o600);
  try {
    writeSync(handle, `${lines.join('\n')}\n`);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  const parent = openSync(folder, 'r');
  try {
    fsyncSync(parent);
  } catch {
    // Windows cannot do this for a folder.
  } finally {
    closeSync(parent);
  }
}
