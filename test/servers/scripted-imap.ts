// An IMAP server with one folder whose answers a test replaces command by command: for what servers do that a sound one never does.
import { createServer, type Socket } from 'node:net';

export interface ScriptedMail {
  readonly uid: number;
  readonly raw: Buffer;
  readonly flags: Set<string>;
  /** RFC822.SIZE as the server says it; the true size when absent. */
  size?: number;
}

/** One connection of a client. */
export interface ScriptedConnection {
  /** The first connection is number 1. */
  readonly number: number;
  readonly socket: Socket;
  /** Commands so far. */
  commands: number;
  /** The tag of the running IDLE. */
  idle: string | null;
  /** Writes one line. */
  send(line: string): void;
}

export interface ScriptedCommand {
  readonly connection: ScriptedConnection;
  readonly tag: string;
  /** `UID FETCH`, `SELECT`, in capitals. */
  readonly name: string;
  readonly args: string;
  readonly server: ScriptedImap;
}

/** Answers a command; 'usual' leaves it to the server. */
export type Answer = (command: ScriptedCommand) => unknown;

export interface ScriptedImapOptions {
  mails?: readonly (string | Buffer)[];
  answers?: Readonly<Record<string, Answer>>;
  /** Behind `IMAP4rev1`. */
  capabilities?: string;
  /** Null: none. */
  greeting?: string | null;
}

export interface ScriptedImap {
  readonly port: number;
  readonly users: readonly { readonly name: string; readonly password: string }[];
  readonly mails: ScriptedMail[];
  /** UIDs that were copied to another folder, one entry for each copy. */
  readonly copied: number[];
  /** What clients sent, line by line, without tags. */
  readonly log: string[];
  readonly connections: ReadonlySet<ScriptedConnection>;
  readonly capabilities: string;
  /** By command name. Tests may change it at any time. */
  readonly answers: Map<string, Answer>;
  uidValidity: number;
  /** UIDs are never given twice. */
  highestUid: number;
  /** How many lines of the log match. */
  count(pattern: RegExp): number;
  /** Puts a mail into the folder and announces it to those that are in IDLE. */
  add(raw: string | Buffer): ScriptedMail;
  /** The mails of a set such as `1:3,7` or `4:*`. */
  select(set: string): ScriptedMail[];
  /** The position of a mail in the folder, from 1. */
  position(mail: ScriptedMail): number;
  /** Removes mails and tells `connection`. */
  expunge(mails: readonly ScriptedMail[], connection?: ScriptedConnection): void;
  /** The FETCH answer about a mail to these items. */
  fetched(mail: ScriptedMail, args: string): Buffer;
  close(): Promise<void>;
}

export async function startScriptedImap(options: ScriptedImapOptions = {}): Promise<ScriptedImap> {
  const { mails = [], answers = {}, capabilities = 'IDLE UIDPLUS MOVE', greeting } = options;
  const connections = new Set<ScriptedConnection>();
  let made = 0;
  const listener = createServer((socket) => {
    accept(socket, scripted, connections, ++made);
    if (greeting !== null) socket.write(`${greeting ?? `* OK [CAPABILITY ${scripted.capabilities}] ready`}\r\n`);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(0, '127.0.0.1', resolve);
  });
  const address = listener.address();
  const scripted: ScriptedImap = {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    users: [{ name: 'u@example.test', password: 'pw' }],
    mails: mails.map((raw, at) => ({ uid: at + 1, raw: Buffer.from(raw), flags: new Set<string>() })),
    copied: [],
    log: [],
    connections,
    capabilities: `IMAP4rev1 ${capabilities}`.trim(),
    answers: new Map(Object.entries(answers)),
    uidValidity: 1000,
    highestUid: mails.length,
    count: (pattern) => scripted.log.filter((line) => pattern.test(line)).length,
    add(raw) {
      const mail = { uid: nextUid(scripted), raw: Buffer.from(raw), flags: new Set<string>() };
      scripted.mails.push(mail);
      scripted.highestUid = mail.uid;
      for (const { idle, send } of connections) if (idle !== null) send(`* ${scripted.mails.length} EXISTS`);
      return mail;
    },
    select: (set) => selected(scripted.mails, set),
    position: (mail) => scripted.mails.indexOf(mail) + 1,
    expunge(gone, connection) {
      for (const mail of gone) {
        const position = scripted.position(mail);
        if (position > 0) scripted.mails.splice(position - 1, 1);
        if (position > 0) connection?.send(`* ${position} EXPUNGE`);
      }
    },
    fetched: (mail, args) => fetchAnswer(mail, scripted.position(mail), args),
    close: () =>
      new Promise((resolve) => {
        for (const { socket } of connections) socket.destroy();
        listener.close(() => resolve());
      }),
  };
  return scripted;
}

function nextUid(server: ScriptedImap): number {
  server.highestUid = Math.max(server.highestUid, ...server.mails.map(({ uid }) => uid));
  return server.highestUid + 1;
}

function selected(mails: readonly ScriptedMail[], set: string): ScriptedMail[] {
  const last = Math.max(0, ...mails.map(({ uid }) => uid));
  const number = (text: string) => (text === '*' ? last : Number(text));
  const ranges = set.split(',').map((part) => {
    const [from = '', to = from] = part.split(':');
    return [number(from), number(to)].sort((a, b) => a - b);
  });
  return mails.filter(({ uid }) => ranges.some(([from = 0, to = 0]) => uid >= from && uid <= to));
}

function accept(socket: Socket, server: ScriptedImap, connections: Set<ScriptedConnection>, number: number): void {
  const send = (line: string) => void (socket.destroyed || socket.write(`${line}\r\n`, 'latin1'));
  const connection: ScriptedConnection = { number, socket, commands: 0, idle: null, send };
  let buffered = '';
  connections.add(connection);
  socket.on('error', () => {}).once('close', () => connections.delete(connection));
  socket.on('data', (chunk: Buffer) => {
    const lines = (buffered + chunk.toString('latin1')).split('\r\n');
    buffered = lines.pop() ?? '';
    for (const line of lines) take(line, connection, server);
  });
}

function take(line: string, connection: ScriptedConnection, server: ScriptedImap): void {
  const [, tag = '', name = '', args = ''] = /^(\S+) ((?:UID )?\S+) ?(.*)$/i.exec(line) ?? [];
  server.log.push(name === '' ? line : `${name} ${args}`.trim());
  if (connection.idle !== null) {
    const idle = connection.idle;
    connection.idle = null;
    connection.send(`${idle} OK idle done`);
    return;
  }
  connection.commands += 1;
  const command = { connection, tag, name: name.toUpperCase(), args, server };
  const answer = server.answers.get(command.name) ?? server.answers.get('*');
  if (!answer || answer(command) === 'usual') usual(command);
}

function usual(command: ScriptedCommand): void {
  const { connection, tag, name, server } = command;
  const { send } = connection;
  const answer = USUAL[name];
  if (name === 'IDLE') connection.idle = tag;
  if (!answer) {
    send(name === 'IDLE' ? '+ idling' : `${tag} BAD unknown command ${name}`);
    return;
  }
  for (const line of answer(command)) {
    if (typeof line === 'string') send(line);
    else connection.socket.write(line);
  }
  const code = name === 'LOGIN' ? `[CAPABILITY ${server.capabilities}] ` : name === 'SELECT' ? '[READ-WRITE] ' : '';
  send(`${tag} OK ${code}done`);
  if (name === 'LOGOUT') connection.socket.end();
}

/** The untagged answers. */
const USUAL: Readonly<Record<string, (command: ScriptedCommand) => readonly (string | Buffer)[]>> = {
  CAPABILITY: ({ server }) => [`* CAPABILITY ${server.capabilities}`],
  LOGIN: () => [],
  LOGOUT: () => ['* BYE goodbye'],
  NOOP: () => [],
  ID: () => ['* ID NIL'],
  NAMESPACE: () => ['* NAMESPACE (("" "/")) NIL NIL'],
  LIST: ({ args }) => (/ ""$/.test(args) ? ['* LIST (\\Noselect) "/" ""'] : LISTED),
  STATUS: ({ args, server }) => [`* STATUS ${args.split(' ')[0]} (MESSAGES ${server.mails.length})`],
  SELECT: opened,
  EXAMINE: opened,
  'UID SEARCH': ({ args, server }) => [
    `* SEARCH ${server
      .select(/UID (\S+)/i.exec(args)?.[1] ?? '1:*')
      .filter(({ flags }) => !/DELETED/i.test(args) || flags.has('\\Deleted'))
      .map(({ uid }) => uid)
      .join(' ')}`.trim(),
  ],
  'UID FETCH': ({ args, server }) => server.select(setOf(args)).map((mail) => server.fetched(mail, args)),
  'UID STORE': ({ args, server }) => {
    for (const { flags } of server.select(setOf(args)))
      for (const flag of /\(([^)]*)\)/.exec(args)?.[1]?.split(' ') ?? []) flags.add(flag);
    return [];
  },
  'UID COPY': ({ args, server }) => {
    server.copied.push(...server.select(setOf(args)).map(({ uid }) => uid));
    return [];
  },
  'UID MOVE': ({ args, server, connection }) => {
    const moved = server.select(setOf(args));
    server.copied.push(...moved.map(({ uid }) => uid));
    server.expunge(moved, connection);
    return [];
  },
  'UID EXPUNGE': ({ args, server, connection }) => {
    server.expunge(
      server.select(setOf(args)).filter(({ flags }) => flags.has('\\Deleted')),
      connection,
    );
    return [];
  },
  EXPUNGE: ({ server, connection }) => {
    server.expunge(
      server.mails.filter(({ flags }) => flags.has('\\Deleted')),
      connection,
    );
    return [];
  },
};

const LISTED = ['INBOX', 'Archive', 'Refused'].map((name) => `* LIST (\\HasNoChildren) "/" ${name}`);

const setOf = (args: string) => args.split(' ', 1)[0] ?? '';

function opened({ server }: ScriptedCommand): string[] {
  const flags = '\\Answered \\Flagged \\Deleted \\Seen \\Draft';
  return [
    `* ${server.mails.length} EXISTS`,
    '* 0 RECENT',
    `* FLAGS (${flags})`,
    `* OK [PERMANENTFLAGS (${flags} \\*)] limited`,
    `* OK [UIDVALIDITY ${server.uidValidity}] valid`,
    `* OK [UIDNEXT ${nextUid(server)}] next`,
  ];
}

function fetchAnswer({ uid, raw, size, flags }: ScriptedMail, position: number, args: string): Buffer {
  const parts: Buffer[] = [Buffer.from(`* ${position} FETCH (UID ${uid}`)];
  const add = (text: string) => void parts.push(Buffer.from(text, 'latin1'));
  if (/RFC822\.SIZE/i.test(args)) add(` RFC822.SIZE ${size ?? raw.length}`);
  if (/INTERNALDATE/i.test(args)) add(' INTERNALDATE "22-Nov-2026 10:00:00 +0000"');
  if (/FLAGS/i.test(args)) add(` FLAGS (${[...flags].join(' ')})`);
  const named = /BODY\.PEEK\[(HEADER\.FIELDS \([^)]*\))\]/i.exec(args)?.[1];
  if (named) {
    const id = `${/^Message-ID:.*\r\n/im.exec(raw.toString('latin1'))?.[0] ?? ''}\r\n`;
    add(` BODY[${named}] {${id.length}}\r\n${id}`);
  }
  const body = /BODY\.PEEK\[\](?:<(\d+)\.(\d+)>)?/i.exec(args);
  if (body) {
    const [, from, length] = body;
    const part = from === undefined ? raw : raw.subarray(Number(from), Number(from) + Number(length));
    add(` BODY[]${from === undefined ? '' : `<${from}>`} {${part.length}}\r\n`);
    parts.push(part);
  }
  add(')\r\n');
  return Buffer.concat(parts);
}
