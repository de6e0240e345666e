import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { envName, leaves, type ParsedConfig, schema } from './config-schema.js';
import { codeOf, GatepostError, messageOf } from './kit/errors.js';
import { nearest } from './kit/nearest.js';
import { utf8Text } from './kit/utf8-file.js';
import { isLoopbackHost } from './pipeline/gateways/policy/hosts.js';

export type Config = DeepReadonly<ParsedConfig & { file: string | null }>;
type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** Folder of the attachments and of the quarantined messages. */
export const attachmentFolder = (config: Config): string => join(config.dataDir, 'attachments');

/** Folder that remembers which secret belongs to which hosts. */
export const secretHostsFolder = (config: Config): string => join(config.dataDir, 'secret-hosts');

const plain = (name: string) => name.replace(/_/g, '').toUpperCase();

/** Reads a file (null: only the defaults); environment variables win over it. Throws `config/...` with file and line. */
export function loadConfig(file: string | null, env: Readonly<Record<string, string | undefined>>): Config {
  const raw = file === null ? { data: {}, lineOf: () => '' } : readYaml(file);
  const data = withEnvironment(raw.data, env);
  const result = schema.safeParse(data);
  if (!result.success) throw invalid(result.error, file, raw.lineOf);
  const base = file === null ? process.cwd() : dirname(resolve(file));
  return deepFreeze({ ...absolute(result.data, base), file: file === null ? null : resolve(file) });
}

/** The configuration file when no --config is given; null when there is none: then the defaults count, from the working directory. */
export function findConfig(env: Readonly<Record<string, string | undefined>>): string | null {
  if (env.GATEPOST_CONFIG) return env.GATEPOST_CONFIG;
  return (
    ['gatepost.yaml', 'config/gatepost.yaml', '/etc/gatepost/gatepost.yaml'].find((path) => existsSync(path)) ?? null
  );
}

function readYaml(file: string): { data: Record<string, unknown>; lineOf(path: readonly PropertyKey[]): string } {
  let text: string;
  try {
    text = utf8Text(readFileSync(file), file);
  } catch (error) {
    if (codeOf(error) === 'file/not-utf8') throw error;
    const why = codeOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new GatepostError('config/unreadable', `cannot read the configuration ${file}: ${why}`, {
      advice: 'give an existing file with --config, or leave --config out to run on the defaults',
      cause: error,
    });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const broken = document.errors[0];
  if (broken) {
    const { line, col } = lines.linePos(broken.pos[0]);
    throw new GatepostError(
      'config/invalid',
      `${file}, line ${line}, column ${col}: not valid YAML: ${broken.message}`,
      {
        advice: 'correct that line and start again',
      },
    );
  }
  const data = withoutNulls(document.toJS() ?? {});
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new GatepostError(
      'config/invalid',
      `${file}: the configuration must be a map of keys, not a ${Array.isArray(data) ? 'list' : typeof data}`,
      {
        advice: 'see config/README.md for every key',
      },
    );
  }
  return {
    data: { ...data },
    lineOf(path) {
      const offset = offsetOf(document.contents, path);
      return offset === undefined ? '' : `, line ${lines.linePos(offset).line}`;
    },
  };
}

/** `server:` with nothing below it means the same as no `server` at all. */
function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(members.map(([key, member]) => [key, withoutNulls(member)]));
}

/** Where a key stands, or the nearest thing above it that is written at all. */
function offsetOf(root: Node | null, path: readonly PropertyKey[]): number | undefined {
  let node: unknown = root;
  let offset: number | undefined;
  for (const part of path) {
    if (!isMap(node)) break;
    const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part);
    if (!pair) break;
    if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
    node = pair.value;
  }
  return offset;
}

/**
 * Only known names count. Unknown GATEPOST_ names are no error: orchestrators put such names into the environment on
 * their own (a Kubernetes service called gatepost yields GATEPOST_PORT=tcp://...).
 */
function withEnvironment(
  data: Record<string, unknown>,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, unknown> {
  const given = new Map(Object.entries(env).map(([name, value]) => [plain(name), value]));
  const merged = structuredClone(data);
  for (const { path } of leaves(schema)) {
    const value = given.get(plain(envName(path)));
    if (value !== undefined && value !== '') assign(merged, path, value);
  }
  return merged;
}

function assign(target: Record<string, unknown>, path: readonly string[], value: string): void {
  const [head, ...rest] = path;
  if (head === undefined) return;
  if (rest.length === 0) {
    target[head] = value;
    return;
  }
  const inner = target[head];
  const child = typeof inner === 'object' && inner !== null ? { ...inner } : {};
  target[head] = child;
  assign(child as Record<string, unknown>, rest, value);
}

function invalid(
  error: z.ZodError,
  file: string | null,
  lineOf: (path: readonly PropertyKey[]) => string,
): GatepostError {
  const sentences = error.issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') {
      return [`${where(file, lineOf(issue.path))}${issue.path.join('.')}: ${issue.message}`];
    }
    return issue.keys.map((key) => {
      const siblings = leaves(schema)
        .filter(({ path }) => issue.path.every((part, at) => path[at] === part))
        .map(({ path }) => path[issue.path.length] ?? '');
      const near = nearest(key, siblings);
      const hint = near ? `did you mean "${near}"?` : `known are ${[...new Set(siblings)].join(', ')}`;
      return `${where(file, lineOf([...issue.path, key]))}${[...issue.path, key].join('.')} is not a key; ${hint}`;
    });
  });
  return new GatepostError('config/invalid', sentences.join('\n'), {
    advice: 'see config/README.md for every key, its default and its environment variable',
  });
}

const where = (file: string | null, line: string) => (file === null ? 'environment: ' : `${file}${line}: `);

function isTls({ tls, mode, host }: ParsedConfig['server']): boolean {
  return tls === 'auto' ? mode === 'remote' && !isLoopbackHost(host) : tls;
}

function absolute(config: ParsedConfig, base: string): ParsedConfig {
  const at = (path: string) => (path === '' ? '' : resolve(base, path));
  const dataDir = at(config.dataDir);
  return {
    ...config,
    dataDir,
    secretsDir: at(config.secretsDir),
    journal: `sqlite:${at(config.journal.slice('sqlite:'.length)) || join(dataDir, 'journal.db')}`,
    frontdesk: {
      ...config.frontdesk,
      gateways: at(config.frontdesk.gateways),
      store: at(config.frontdesk.store) || join(dataDir, 'frontdesk.db'),
    },
    policy: { ...config.policy, folders: config.policy.folders.map(at) },
    server: {
      ...config.server,
      tls: isTls(config.server),
      tlsCa: at(config.server.tlsCa),
      tlsCert: at(config.server.tlsCert),
      tlsKey: at(config.server.tlsKey),
    },
  };
}

function deepFreeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value as DeepReadonly<T>;
}
