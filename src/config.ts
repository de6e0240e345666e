// Owns the configuration: gatepost.yaml and environment variables to one frozen Config, every key with its default and
// its sentence. What administrators define on the server (gateways) is not here.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import { z } from 'zod';
import { codeOf, GatepostError, messageOf } from './kit/errors.js';
import { nearest } from './kit/nearest.js';

const port = z.coerce.number().int().min(0).max(65_535);
const seconds = z.coerce.number().positive();
const days = z.coerce.number().positive();
const count = z.coerce.number().int().positive();
const yes = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]);
const list = z.union([z.array(z.string()), z.string().transform((text) => text.split(',').map((item) => item.trim()))]);
const say = <T extends z.ZodType>(type: T, description: string): T => type.meta({ description }) as T;

const server = z.strictObject({
  mode: say(
    z.enum(['embedded', 'remote']).default('embedded'),
    'embedded: run the front desk inside this process and connect to it; remote: connect to a FrontStage server.',
  ),
  host: say(z.string().min(1).default('127.0.0.1'), 'Where the server listens (embedded) or is reached (remote).'),
  port: say(port.default(18_321), 'TCP port of SimProt. 0 (embedded only) takes any free one.'),
  tls: say(yes.default(false), 'TLS 1.2 or newer on this connection; certificate and name are verified.'),
  tlsCa: say(z.string().default(''), 'PEM file of the certificate authority to trust instead of the system ones.'),
  tlsCert: say(z.string().default(''), 'PEM file of our own certificate (client certificate; embedded: the server’s).'),
  tlsKey: say(z.string().default(''), 'PEM file of the key that belongs to tlsCert.'),
  tlsName: say(z.string().default(''), 'Name the server’s certificate must carry, when it differs from host.'),
  tlsVerify: say(yes.default(true), 'false turns the verification off; loudly logged, for tests only.'),
  account: say(z.string().min(1).default('gatepost'), 'Account of the login.'),
  password: say(
    z.string().default(''),
    'Password of the login. Embedded: made up at every start when empty. Better given as GATEPOST_SERVER_PASSWORD.',
  ),
  peerAddresses: say(list.default(['@gatepost']), 'SimProt addresses whose gateways this connector serves.'),
  refreshSeconds: say(seconds.default(60), 'How often the list of gateways is asked for again.'),
});

const shape = {
  server: server.prefault({}),
  wire: z
    .strictObject({
      content: say(z.enum(['json', 'msgpack']).default('json'), 'How we write contents; both are always read.'),
      maxBodyMB: say(
        z.coerce.number().positive().max(1024).default(32),
        'Longest frame body sent or accepted, MB (of 1,048,576 bytes).',
      ),
      channels: say(
        z.record(z.string(), z.enum(['Email', 'SMS', 'Fax', 'SocialMsg', 'SocialWall'])).default({}),
        'Numbers that the server uses for channels, for example { "0": Email }; empty: 0 to 4 in the published order.',
      ),
    })
    .prefault({}),
  dataDir: say(
    z.string().min(1).default('data'),
    'Folder of everything that is kept. Relative paths count from the configuration file.',
  ),
  journal: say(
    z
      .string()
      .regex(/^$|^sqlite:.+/, 'must be sqlite:PATH')
      .default(''),
    'The durable record of arrivals and orders: sqlite:PATH; empty: journal.db in dataDir.',
  ),
  secretsDir: say(
    z.string().min(1).default('secrets'),
    'Folder that ${file:NAME} in gateway settings reads from; nothing else is readable.',
  ),
  http: z
    .strictObject({
      host: say(z.string().min(1).default('127.0.0.1'), 'Address of probes, metrics and attachment links.'),
      port: say(port.default(18_380), 'TCP port; 0 takes any free one.'),
      publicUrl: say(
        z.string().default(''),
        'How agents’ browsers reach this port, for attachment links; empty: http://host:port.',
      ),
    })
    .prefault({}),
  frontdesk: z
    .strictObject({
      gateways: say(
        z.string().default('gateways.yaml'),
        'Gateways that the embedded server hands out; read again whenever it changes.',
      ),
      store: say(
        z.string().default(''),
        'SQLite file of the embedded server’s messages; empty: frontdesk.db in dataDir.',
      ),
    })
    .prefault({}),
  inbound: z
    .strictObject({
      window: say(count.default(64), 'Messages per gateway handed over and not yet acknowledged.'),
      windowMB: say(z.coerce.number().positive().default(32), 'The same in MB: a bound on memory per gateway.'),
      ackSeconds: say(
        z.coerce.number().min(60).default(60),
        'How long one acknowledgement is waited for; at least 60.',
      ),
      retryFirstSeconds: say(seconds.default(5), 'Pause after a refusal or silence; doubles each time.'),
      retryLongestSeconds: say(seconds.default(300), 'Longest such pause.'),
      refusals: say(count.default(8), 'Refusals by the server after which a message goes to quarantine.'),
    })
    .prefault({}),
  outbound: z
    .strictObject({
      answerSeconds: say(
        z.coerce.number().min(5).max(88).default(85),
        'When an order is answered at the latest; the server gives up at 90.',
      ),
    })
    .prefault({}),
  fax: z
    .strictObject({
      ocr: say(
        yes.default(true),
        'Recognize the text of received faxes (needs the optional packages tesseract.js and @tesseract.js-data/eng).',
      ),
      ocrLanguages: say(
        list.default(['eng']),
        'Languages of received faxes, for each of which the package @tesseract.js-data/LANGUAGE is installed.',
      ),
      ocrSeconds: say(seconds.default(60), 'Longest that the recognition of one fax may take; the rest goes without.'),
      chromium: say(
        z.string().min(1).default('auto'),
        'Browser that lays out faxes as they look in HTML: auto (when one is installed), off, or the path of one.',
      ),
      ghostscript: say(
        z.string().min(1).default('auto'),
        'Program that turns PDF into fax pages: auto (when it is installed), off, or its path.',
      ),
    })
    .prefault({}),
  retention: z
    .strictObject({
      logDays: say(days.default(90), 'Days the delivery log is kept; receipts of messages are kept ten times as long.'),
      orderDays: say(days.default(90), 'Days settled orders are kept.'),
      attachmentDays: say(days.default(365), 'Days attachments are kept and their links are valid.'),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: say(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'), 'Least level written.'),
      format: say(
        z.enum(['auto', 'pretty', 'json']).default('auto'),
        'auto: pretty on a terminal, JSON lines elsewhere.',
      ),
    })
    .prefault({}),
};

const schema = z.strictObject(shape);
type Parsed = z.output<typeof schema>;

export type Config = DeepReadonly<Parsed & { file: string | null }>;
type DeepReadonly<T> = T extends (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** Where the journal keeps attachments and quarantined messages. */
export const attachmentFolder = (config: Config): string => join(config.dataDir, 'attachments');

/** One documented key, for the generated table. */
export interface ConfigKey {
  path: string;
  description: string;
  default: unknown;
  env: string;
}

export function configKeys(): ConfigKey[] {
  return leaves(schema).map(({ path, type }) => ({
    path: path.join('.'),
    description: (type.meta()?.description as string | undefined) ?? '',
    default: type.safeParse(undefined).data,
    env: envName(path),
  }));
}

interface Leaf {
  path: string[];
  type: z.ZodType;
}

function leaves(type: z.ZodType, path: string[] = []): Leaf[] {
  const inner = type instanceof z.ZodPrefault ? (type.unwrap() as z.ZodType) : type;
  if (!(inner instanceof z.ZodObject)) return [{ path, type }];
  return Object.entries(inner.shape as Record<string, z.ZodType>).flatMap(([key, member]) =>
    leaves(member, [...path, key]),
  );
}

/** `server.refreshSeconds` -> `GATEPOST_SERVER_REFRESH_SECONDS`; the form without inner underscores is read too. */
function envName(path: readonly string[]): string {
  return `GATEPOST_${path.map((part) => part.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase()).join('_')}`;
}

const plain = (name: string) => name.replace(/_/g, '').toUpperCase();

/** Reads a file (none: the defaults) and the environment over it. Throws `config/...` with file and line in the sentence. */
export function loadConfig(file: string | null, env: Readonly<Record<string, string | undefined>>): Config {
  const raw = file === null ? { data: {}, lineOf: () => '' } : readYaml(file);
  const data = withEnvironment(raw.data, env);
  const result = schema.safeParse(data);
  if (!result.success) throw invalid(result.error, file, raw.lineOf);
  const base = file === null ? process.cwd() : dirname(resolve(file));
  return deepFreeze({ ...absolute(result.data, base), file: file === null ? null : resolve(file) });
}

/** Where `gatepost` looks when no --config is given; null when there is nothing: then the defaults count, from the working directory. */
export function findConfig(env: Readonly<Record<string, string | undefined>>): string | null {
  if (env.GATEPOST_CONFIG) return env.GATEPOST_CONFIG;
  return (
    ['gatepost.yaml', 'config/gatepost.yaml', '/etc/gatepost/gatepost.yaml'].find((path) => existsSync(path)) ?? null
  );
}

function readYaml(file: string): { data: Record<string, unknown>; lineOf(path: readonly PropertyKey[]): string } {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
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
        advice: 'correct that line; `gatepost start` tries again from the top',
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

function absolute(config: Parsed, base: string): Parsed {
  const at = (path: string) => (path === '' ? '' : resolve(base, path));
  const dataDir = at(config.dataDir);
  return {
    ...config,
    dataDir,
    secretsDir: at(config.secretsDir),
    journal: `sqlite:${at(config.journal.slice('sqlite:'.length)) || join(dataDir, 'journal.db')}`,
    frontdesk: {
      gateways: at(config.frontdesk.gateways),
      store: at(config.frontdesk.store) || join(dataDir, 'frontdesk.db'),
    },
    server: {
      ...config.server,
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
