import { z } from 'zod';
import { parseHostRule } from './pipeline/gateways/policy/hosts.js';

const port = z.coerce.number().int().min(0).max(65_535);
const seconds = z.coerce.number().positive();
const days = z.coerce.number().positive();
const count = z.coerce.number().int().positive();
const yes = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]);
const list = z.union([z.array(z.string()), z.string().transform((text) => text.split(',').map((item) => item.trim()))]);
/** Names of hosts, folders and the like: empty entries count for nothing, so that an empty environment variable is an empty list. */
const names = z
  .union([z.array(z.string()), z.string().transform((text) => text.split(','))])
  .transform((items) => items.map((item) => item.trim()).filter((item) => item !== ''));
/** The description appears in config/README.md and in config/gatepost.yaml. */
const described = <T extends z.ZodType>(type: T, description: string): T => type.meta({ description }) as T;

const server = z.strictObject({
  mode: described(
    z.enum(['embedded', 'remote']).default('embedded'),
    'embedded: run the embedded server inside this process and connect to it; remote: connect to a FrontStage server.',
  ),
  host: described(
    z.string().min(1).default('127.0.0.1'),
    'Where the server listens (embedded) or is reached (remote).',
  ),
  port: described(port.default(18_321), 'TCP port of SimProt. 0 (embedded only) takes any free one.'),
  tls: described(
    z.union([yes, z.literal('auto')]).default('auto'),
    'TLS 1.2 or newer on this connection; certificate and name are verified. auto: true with mode remote, unless host is this machine.',
  ),
  tlsCa: described(
    z.string().default(''),
    'PEM file of the certificate authority to trust instead of the system ones.',
  ),
  tlsCert: described(
    z.string().default(''),
    'PEM file of Gatepost’s certificate (remote: the client certificate; embedded: the server’s).',
  ),
  tlsKey: described(z.string().default(''), 'PEM file of the key that belongs to tlsCert.'),
  tlsName: described(z.string().default(''), 'Name the server’s certificate must carry, when it differs from host.'),
  tlsVerify: described(yes.default(true), 'false turns the verification off; for tests only, logged as a warning.'),
  account: described(z.string().min(1).default('gatepost'), 'Account of the login.'),
  password: described(
    z.string().default(''),
    'Password of the login; better given as GATEPOST_SERVER_PASSWORD. Embedded and empty: a random one at every start.',
  ),
  peerAddresses: described(list.default(['@gatepost']), 'SimProt addresses whose gateways this connector serves.'),
  refreshSeconds: described(seconds.default(60), 'Seconds between two requests for the list of gateways.'),
});

const sections = {
  server: server.prefault({}),
  wire: z
    .strictObject({
      content: described(
        z.enum(['json', 'msgpack']).default('json'),
        'Encoding of the contents that Gatepost writes; it reads both.',
      ),
      maxBodyMB: described(
        z.coerce.number().positive().max(1024).default(32),
        'Longest frame body to send or accept, MB (of 1,048,576 bytes).',
      ),
      channels: described(
        z.record(z.string(), z.enum(['Email', 'SMS', 'Fax', 'SocialMsg', 'SocialWall'])).default({}),
        'Numbers that the server uses for channels, for example { "0": Email }; empty: 0 to 4 in the published order.',
      ),
    })
    .prefault({}),
  dataDir: described(
    z.string().min(1).default('data'),
    'Folder of all stored data. Relative paths count from the configuration file.',
  ),
  diskReserveMB: described(
    z.coerce.number().min(0).max(1_000_000).default(100),
    'Free space, MB, below which nothing new is accepted and /ready is red; of a small disk a tenth at most. 0: none.',
  ),
  journal: described(
    z
      .string()
      .regex(/^$|^sqlite:.+/, 'must be sqlite:PATH')
      .default(''),
    'Database of all messages: sqlite:PATH; empty: journal.db in dataDir.',
  ),
  secretsDir: described(
    z.string().min(1).default('secrets'),
    'Folder that ${file:NAME} in gateway settings reads from; nothing else is readable.',
  ),
  http: z
    .strictObject({
      host: described(
        z.string().min(1).default('127.0.0.1'),
        'Address of webhooks and attachment links; 0.0.0.0 for all addresses of this machine.',
      ),
      port: described(
        port.default(18_380),
        'TCP port; 0 takes any free one, and links in messages then work only until the next start.',
      ),
      publicUrl: described(
        z.string().default(''),
        'Address under which agents’ browsers reach this port, for attachment links; empty: http://host:port. A link that was sent never changes.',
      ),
      adminPort: described(
        z.union([z.literal(''), port]).default(''),
        'TCP port of probes and metrics, apart from what others reach; 0 takes any free one. Empty: 18381 (any free one when it is taken) when http.host is not a loopback address or http.publicUrl is set; else probes and metrics are on http.port.',
      ),
      adminHost: described(z.string().min(1).default('127.0.0.1'), 'Address of the admin port.'),
      probes: described(
        z.enum(['admin', 'both']).default('admin'),
        'Where probes and metrics answer. admin: on the admin port only; both: on http.port, too, for monitors that cannot reach the admin port.',
      ),
    })
    .prefault({}),
  frontdesk: z
    .strictObject({
      gateways: described(
        z.string().default('gateways.yaml'),
        'Gateways file of the embedded server; read again whenever it changes.',
      ),
      store: described(
        z.string().default(''),
        'SQLite file of the embedded server’s messages; empty: frontdesk.db in dataDir.',
      ),
      accounts: described(
        z.record(z.string().min(1), z.strictObject({ password: z.string().min(8), peerAddresses: names })).default({}),
        'Accounts of further connectors, each with its password (at least 8 characters, or ${file:NAME}, ${env:NAME}) and the SimProt addresses it may serve: { east: { password: "${file:east}", peerAddresses: ["@east"] } }. The account of server.account serves server.peerAddresses.',
      ),
    })
    .prefault({}),
  policy: z
    .strictObject({
      apply: described(
        z.enum(['auto', 'always']).default('auto'),
        'When gateways are held to this policy. auto: with server.mode remote, where the server writes the gateways; always: in mode embedded, too.',
      ),
      folders: described(
        names.default([]),
        'Folders below which gateways may read and write files. Empty: drop, pickup, certificates and documents in dataDir, each for its use.',
      ),
      hosts: described(
        names
          .refine((items) => items.every((item) => parseHostRule(item) !== null), {
            error: 'holds an entry that is neither HOST, ADDRESS, NETWORK nor DEVICE=one of them or DEVICE=private',
          })
          .default(['ImapHost=private', 'SmtpHost=private', 'FaxMail=private', 'Smpp=private', 'HylaFax=private']),
        'What gateways may reach beyond public addresses: HOST, ADDRESS, NETWORK (10.0.0.0/8), or DEVICE=one of them, or DEVICE=private for every private network. Link-local and metadata addresses are never reached.',
      ),
      secrets: described(
        z.record(z.string(), names).default({}),
        'Hosts that a secret may be sent to, for example { smtp-password: [smtp.example.com] }. A secret without an entry belongs to the first host it is used for; see gatepost secrets.',
      ),
      openSecretsDir: described(
        yes.default(false),
        'true accepts a secretsDir that other users of the machine can read: for containers, which have none.',
      ),
      plaintextSecrets: described(
        names.default([]),
        'Names of secrets that may cross a network without TLS and a verified certificate.',
      ),
    })
    .prefault({}),
  inbound: z
    .strictObject({
      window: described(count.default(64), 'Messages per gateway that may wait for their acknowledgement at once.'),
      windowMB: described(z.coerce.number().positive().default(32), 'The same in MB: a bound on memory per gateway.'),
      ackSeconds: described(
        z.coerce.number().min(60).default(60),
        'Seconds to wait for one acknowledgement; at least 60.',
      ),
      retryFirstSeconds: described(
        seconds.default(5),
        'Pause after the server rejected a message or did not answer; doubles each time.',
      ),
      retryLongestSeconds: described(seconds.default(300), 'Longest such pause.'),
      refusals: described(count.default(8), 'Rejections by the server after which a message goes to quarantine.'),
    })
    .prefault({}),
  outbound: z
    .strictObject({
      answerSeconds: described(
        z.coerce.number().min(5).max(88).default(85),
        'Seconds within which a send request is answered; the server waits 90.',
      ),
    })
    .prefault({}),
  fax: z
    .strictObject({
      ocr: described(
        yes.default(true),
        'Recognize the text of received faxes (needs the optional packages tesseract.js and @tesseract.js-data/eng).',
      ),
      ocrLanguages: described(
        list.default(['eng']),
        'Languages of received faxes, for each of which the package @tesseract.js-data/LANGUAGE is installed.',
      ),
      ocrSeconds: described(
        seconds.default(60),
        'Longest time for the recognition of one fax; later pages stay without text.',
      ),
      chromium: described(
        z.string().min(1).default('auto'),
        'Browser that lays out faxes as they look in HTML: auto (when one is installed), off, or the path of one.',
      ),
      ghostscript: described(
        z.string().min(1).default('auto'),
        'Program that turns PDF into fax pages: auto (when it is installed), off, or its path.',
      ),
    })
    .prefault({}),
  retention: z
    .strictObject({
      logDays: described(
        days.default(90),
        'Days for which the delivery log is stored; message states are stored ten times as long.',
      ),
      orderDays: described(days.default(90), 'Days for which settled outbound messages are stored.'),
      attachmentDays: described(
        days.default(365),
        'Days for which attachments are stored, counted from the confirmation of the message, and their links work, counted from its acknowledgement. A gateway may have a shorter time for its links (LinkDays).',
      ),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: described(
        z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
        'Lowest level that is written.',
      ),
      format: described(
        z.enum(['auto', 'pretty', 'json']).default('auto'),
        'auto: pretty on a terminal, JSON lines elsewhere.',
      ),
    })
    .prefault({}),
};

export const schema = z.strictObject(sections);
export type ParsedConfig = z.output<typeof schema>;

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

export function leaves(type: z.ZodType, path: string[] = []): Leaf[] {
  const inner = type instanceof z.ZodPrefault ? (type.unwrap() as z.ZodType) : type;
  if (!(inner instanceof z.ZodObject)) return [{ path, type }];
  return Object.entries(inner.shape as Record<string, z.ZodType>).flatMap(([key, member]) =>
    leaves(member, [...path, key]),
  );
}

/** `server.refreshSeconds` -> `GATEPOST_SERVER_REFRESH_SECONDS`; the form without inner underscores is read too. */
export function envName(path: readonly string[]): string {
  return `GATEPOST_${path.map((part) => part.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase()).join('_')}`;
}
