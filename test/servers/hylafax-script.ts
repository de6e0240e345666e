// A fake hfaxd: the commands that the driver uses, queues in memory, and faults on demand. Its replies are those of HylaFAX 6.0.7.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { waitFor } from '../fixtures/wait-for.js';
import { compact, freshJob, listing, type Queues, type ScriptJob } from './hylafax-queues.js';

export type { ScriptFile, ScriptJob } from './hylafax-queues.js';

/** `before`: the command is not executed; `after`: it is executed without a reply. */
export type Trouble =
  | { is: 'lost' | 'silent'; when: 'before' | 'after' }
  /** Replies this without executing the command. */
  | { is: 'says'; reply: string };

export interface FakeHylafax extends Queues {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly adminPassword: string;
  /** Text files by path, `log/xferfaxlog`. */
  readonly texts: Map<string, string>;
  /** Every command so far, passwords and all. */
  readonly commands: string[];
  /** The fault of a command. */
  trouble: ((command: string) => Trouble | undefined) | undefined;
  /** Called for every submitted job; by default the job is done at once. */
  work: (job: ScriptJob) => void;
  /** Writes a line to every event channel. */
  tell(line: string): void;
  /** Connections that were reset instead of closed. */
  readonly resets: number;
  /** Open event channels. */
  readonly channels: number;
  until(what: string, command: RegExp): Promise<void>;
  close(): Promise<void>;
}

const USER = 'gatepost';
const PASSWORD = 'script-password';
const ADMIN_PASSWORD = 'script-admin-password';

export async function startFakeHylafax(): Promise<FakeHylafax> {
  const sockets = new Set<Socket>();
  const channels = new Set<Socket>();
  let resets = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {
      resets += 1;
    });
    socket.once('close', () => sockets.delete(socket));
    serve(script, socket, channels);
  });
  const port = await listen(server);
  const script: FakeHylafax = {
    ...{ port, user: USER, password: PASSWORD, adminPassword: ADMIN_PASSWORD },
    ...{
      jobs: [],
      files: new Map(),
      modems: new Map([['/dev/ttyS0', 'Running and idle']]),
      texts: new Map(),
      commands: [],
      trouble: undefined,
    },
    work(job) {
      Object.assign(job, { state: 'D', sent: job.pages, dials: 1 });
    },
    tell: (line) => channels.forEach((channel) => void channel.write(`${line}\r\n`)),
    get resets() {
      return resets;
    },
    get channels() {
      return channels.size;
    },
    until: (what, command) => waitFor(what, () => script.commands.some((one) => command.test(one))).then(() => {}),
    async close() {
      for (const socket of [...sockets, ...channels]) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return script;
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(address !== null && typeof address === 'object' ? address.port : 0);
    }),
  );
}

/** State of one connection. */
interface Connection {
  readonly control: Socket;
  readonly documents: Map<string, Buffer>;
  loggedIn: boolean;
  admin: boolean;
  draft: ScriptJob | undefined;
  passive: { server: Server; socket: Promise<Socket> } | undefined;
  port: number;
  from: number;
  formats: Map<string, string>;
}

function serve(script: FakeHylafax, control: Socket, channels: Set<Socket>): void {
  const connection: Connection = {
    ...{ control, documents: new Map(), loggedIn: false, admin: false, draft: undefined, passive: undefined },
    ...{ port: 0, from: 0, formats: new Map() },
  };
  control.write('220 script server (HylaFAX (tm) Version 6.0.7) ready.\r\n');
  let turn = Promise.resolve();
  const input = createInterface({ input: control });
  input.on('error', () => {});
  input.on('line', (command) => {
    turn = turn.then(() => answer(script, connection, command, channels)).catch(() => void control.destroy());
  });
  control.once('close', () => {
    connection.passive?.server.close();
    // A draft lives as long as its connection.
    if (connection.draft) script.jobs.splice(script.jobs.indexOf(connection.draft), 1);
  });
}

async function answer(
  script: FakeHylafax,
  connection: Connection,
  command: string,
  channels: Set<Socket>,
): Promise<void> {
  script.commands.push(command);
  const trouble = script.trouble?.(command);
  if (trouble?.is === 'says') return sendReply(connection, trouble.reply);
  if (trouble?.when !== 'before') {
    const reply = await perform(script, connection, command, channels);
    if (!trouble) return sendReply(connection, reply);
  }
  if (trouble.is === 'lost') connection.control.destroy();
}

function sendReply({ control }: Connection, reply: string): void {
  if (reply !== '' && !control.destroyed) control.write(`${reply}\r\n`);
}

async function perform(
  script: FakeHylafax,
  connection: Connection,
  command: string,
  channels: Set<Socket>,
): Promise<string> {
  const [verb = '', ...rest] = command.split(' ');
  const argument = rest.join(' ');
  if (verb === 'USER')
    return argument === USER ? `331 Password required for ${USER}.` : `530 User ${argument} access denied.`;
  if (verb === 'PASS') {
    connection.loggedIn = argument === PASSWORD;
    return connection.loggedIn ? `230 User ${USER} logged in.` : '530 Login incorrect.';
  }
  if (verb === 'QUIT') return '221 Goodbye.';
  if (!connection.loggedIn) return '530 Please login with USER and PASS.';
  if (verb.startsWith('J')) return jobCommand(script, connection, verb, argument);
  return fileCommand(script, connection, verb, argument, channels);
}

function jobCommand(script: FakeHylafax, connection: Connection, verb: string, argument: string): string {
  if (verb === 'JOBFMT') return setFormat(connection, verb, argument);
  if (verb === 'JNEW') {
    connection.draft = freshJob(String(script.jobs.length + 1));
    script.jobs.push(connection.draft);
    return `200 New job created: jobid: ${connection.draft.id} groupid: ${connection.draft.id}.`;
  }
  if (verb === 'JDELE') {
    const at = script.jobs.findIndex(({ id }) => id === argument);
    if (!'TDF'.includes(script.jobs[at]?.state ?? '?')) return `504 Cannot delete job ${argument}.`;
    const [gone] = script.jobs.splice(at, 1);
    if (connection.draft === gone) connection.draft = undefined;
    return `200 Job ${argument} deleted; current job: (default).`;
  }
  const { draft } = connection;
  if (!draft) return '503 No current job.';
  if (verb === 'JPARM') return setParameter(connection, draft, argument);
  if (verb !== 'JSUBM') return `500 ${verb}: Command not recognized.`;
  connection.draft = undefined;
  // HylaFAX writes these to the queue file now, not before.
  draft.tag = draft.parameters.get('JOBINFO') ?? '';
  draft.number = draft.parameters.get('DIALSTRING') ?? '';
  draft.maxDials = Number(draft.parameters.get('MAXDIALS') ?? 12);
  draft.state = 'W';
  script.work(draft);
  return `200 Job ${draft.id} submitted.`;
}

function setParameter({ documents }: Connection, draft: ScriptJob, argument: string): string {
  const [, name = '', value = ''] = /^(\w+) (.*)$/.exec(argument) ?? [];
  if (value.startsWith('"') && !/^"(?:[^"\\]|\\.)*"$/.test(value)) return '500 Syntax error.';
  const plain = value.replace(/^"(.*)"$/, '$1').replace(/\\(.)/g, '$1');
  draft.parameters.set(name, plain);
  if (name !== 'DOCUMENT') return `213 ${name} set to "${plain}".`;
  draft.document = documents.get(plain) ?? Buffer.alloc(0);
  return `200 Added document ${plain} as docq/doc.${draft.id}.`;
}

function setFormat({ formats }: Connection, verb: string, argument: string): string {
  formats.set(verb, argument.replace(/^"(.*)"$/, '$1'));
  return `200 ${verb} command successful.`;
}

async function fileCommand(
  script: FakeHylafax,
  connection: Connection,
  verb: string,
  argument: string,
  channels: Set<Socket>,
): Promise<string> {
  const path = argument.replace(/^recvq\//, '');
  const file = script.files.get(path);
  const text = script.texts.get(argument);
  switch (verb) {
    case 'TYPE':
    case 'TZONE':
    case 'FORM':
      return `200 ${verb} set.`;
    case 'RCVFMT':
    case 'MDMFMT':
      return setFormat(connection, verb, argument);
    case 'ADMIN':
      connection.admin = argument === ADMIN_PASSWORD;
      return connection.admin ? '230 Administrative privileges established.' : '530 Password incorrect.';
    case 'EPSV':
      return openPassive(connection);
    case 'PORT':
      connection.port = Number(argument.split(',')[4]) * 256 + Number(argument.split(',')[5]);
      return '200 PORT command successful.';
    case 'REST':
      connection.from = Number(argument);
      return `350 Data transfer will restart at ${argument}, send transfer command`;
    case 'SIZE':
      if (file || text !== undefined) return `213 ${file?.bytes.length ?? Buffer.byteLength(text ?? '')}`;
      return `550 ${argument}: not a plain file.`;
    case 'MDTM':
      return file ? `213 ${compact(file.at)}` : `550 ${argument}: No such file or directory.`;
    case 'DELE':
      if (!connection.admin) return `550 ${argument}: Operation not permitted.`;
      return script.files.delete(path) ? '250 DELE command successful.' : `550 ${argument}: No such file or directory.`;
    case 'STOT':
      return store(connection);
    case 'RETR':
      if (!file && text === undefined) return `550 ${argument}: No such file or directory.`;
      if (file?.secret && !connection.admin) return `550 ${argument}: Operation not permitted.`;
      return send(connection, (file?.bytes ?? Buffer.from(text ?? '')).subarray(connection.from));
    case 'LIST':
    case 'NLST':
      return send(connection, Buffer.from(listing(script, connection, verb, argument)));
    case 'SITE':
      return openChannel(connection, channels);
    default:
      return `500 ${verb}: Command not recognized.`;
  }
}

async function openPassive(connection: Connection): Promise<string> {
  connection.passive?.server.close();
  const server = createServer();
  const socket = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const port = await listen(server);
  connection.passive = { server, socket };
  return `229 Entering Extended Passive Mode (|||${port}|)`;
}

async function dataSocket(connection: Connection): Promise<Socket> {
  if (!connection.passive) throw new Error('no data connection was prepared');
  const socket = await connection.passive.socket;
  connection.passive.server.close();
  connection.passive = undefined;
  socket.on('error', () => {});
  return socket;
}

async function send(connection: Connection, bytes: Buffer): Promise<string> {
  connection.from = 0;
  const socket = await dataSocket(connection);
  sendReply(connection, '150 Opening new data connection.');
  socket.end(bytes);
  return '226 Transfer complete.';
}

async function store(connection: Connection): Promise<string> {
  const socket = await dataSocket(connection);
  const name = `/tmp/doc${connection.documents.size + 1}.tif`;
  sendReply(connection, `150 FILE: ${name} (Opening new data connection).`);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  connection.documents.set(name, Buffer.concat(chunks));
  return `226 Transfer complete (FILE: ${name}).`;
}

async function openChannel(connection: Connection, channels: Set<Socket>): Promise<string> {
  const socket = connect(connection.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.once('close', () => channels.delete(socket));
  connection.control.once('close', () => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  channels.add(socket);
  return '150 Opening new data connection for trigger.';
}
