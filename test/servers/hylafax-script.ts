// Owns a scripted hfaxd: the commands that gateways use, queues held in memory, and troubles on demand. What it answers is
// what HylaFAX 6.0.7 was seen to answer.
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { waitFor } from '../fixtures/wait-for.js';
import { compact, freshJob, listing, type Queues, type ScriptJob } from './hylafax-queues.js';

export type { ScriptFile, ScriptJob } from './hylafax-queues.js';

/** `before`: it is not done; `after`: it is done, and nobody hears of it. */
export type Trouble =
  | { is: 'lost' | 'silent'; when: 'before' | 'after' }
  /** Answers this and does nothing. */
  | { is: 'says'; reply: string };

export interface ScriptedHylafax extends Queues {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly adminPassword: string;
  /** Paths and texts that RETR gives, `log/xferfaxlog`. */
  readonly texts: Map<string, string>;
  /** Every command so far, passwords and all. */
  readonly commands: string[];
  /** What goes wrong with a command. */
  trouble: ((command: string) => Trouble | undefined) | undefined;
  /** What becomes of a job once it is submitted; as it is set up here, it is done at once. */
  work: (job: ScriptJob) => void;
  /** A line over every live channel. */
  tell(line: string): void;
  /** How many connections were torn down instead of closed. */
  readonly resets: number;
  /** How many live channels there are. */
  readonly channels: number;
  until(what: string, command: RegExp): Promise<void>;
  close(): Promise<void>;
}

const USER = 'gatepost';
const PASSWORD = 'script-password';
const ADMIN_PASSWORD = 'script-admin-password';

export async function startScriptedHylafax(): Promise<ScriptedHylafax> {
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
  const script: ScriptedHylafax = {
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

/** What one connection has set. */
interface Line {
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

function serve(script: ScriptedHylafax, control: Socket, channels: Set<Socket>): void {
  const line: Line = {
    ...{ control, documents: new Map(), loggedIn: false, admin: false, draft: undefined, passive: undefined },
    ...{ port: 0, from: 0, formats: new Map() },
  };
  control.write('220 script server (HylaFAX (tm) Version 6.0.7) ready.\r\n');
  let turn = Promise.resolve();
  const input = createInterface({ input: control });
  input.on('error', () => {});
  input.on('line', (command) => {
    turn = turn.then(() => answer(script, line, command, channels)).catch(() => void control.destroy());
  });
  control.once('close', () => {
    line.passive?.server.close();
    // A draft lives as long as its connection.
    if (line.draft) script.jobs.splice(script.jobs.indexOf(line.draft), 1);
  });
}

async function answer(script: ScriptedHylafax, line: Line, command: string, channels: Set<Socket>): Promise<void> {
  script.commands.push(command);
  const trouble = script.trouble?.(command);
  if (trouble?.is === 'says') return say(line, trouble.reply);
  if (trouble?.when !== 'before') {
    const reply = await perform(script, line, command, channels);
    if (!trouble) return say(line, reply);
  }
  if (trouble.is === 'lost') line.control.destroy();
}

function say({ control }: Line, reply: string): void {
  if (reply !== '' && !control.destroyed) control.write(`${reply}\r\n`);
}

async function perform(script: ScriptedHylafax, line: Line, command: string, channels: Set<Socket>): Promise<string> {
  const [verb = '', ...rest] = command.split(' ');
  const argument = rest.join(' ');
  if (verb === 'USER')
    return argument === USER ? `331 Password required for ${USER}.` : `530 User ${argument} access denied.`;
  if (verb === 'PASS') {
    line.loggedIn = argument === PASSWORD;
    return line.loggedIn ? `230 User ${USER} logged in.` : '530 Login incorrect.';
  }
  if (verb === 'QUIT') return '221 Goodbye.';
  if (!line.loggedIn) return '530 Please login with USER and PASS.';
  if (verb.startsWith('J')) return jobCommand(script, line, verb, argument);
  return fileCommand(script, line, verb, argument, channels);
}

function jobCommand(script: ScriptedHylafax, line: Line, verb: string, argument: string): string {
  if (verb === 'JOBFMT') return remember(line, verb, argument);
  if (verb === 'JNEW') {
    line.draft = freshJob(String(script.jobs.length + 1));
    script.jobs.push(line.draft);
    return `200 New job created: jobid: ${line.draft.id} groupid: ${line.draft.id}.`;
  }
  if (verb === 'JDELE') {
    const at = script.jobs.findIndex(({ id }) => id === argument);
    if (!'TDF'.includes(script.jobs[at]?.state ?? '?')) return `504 Cannot delete job ${argument}.`;
    const [gone] = script.jobs.splice(at, 1);
    if (line.draft === gone) line.draft = undefined;
    return `200 Job ${argument} deleted; current job: (default).`;
  }
  const { draft } = line;
  if (!draft) return '503 No current job.';
  if (verb === 'JPARM') return setParameter(line, draft, argument);
  if (verb !== 'JSUBM') return `500 ${verb}: Command not recognized.`;
  line.draft = undefined;
  // Only now does the queue file say it.
  draft.tag = draft.parameters.get('JOBINFO') ?? '';
  draft.number = draft.parameters.get('DIALSTRING') ?? '';
  draft.maxDials = Number(draft.parameters.get('MAXDIALS') ?? 12);
  draft.state = 'W';
  script.work(draft);
  return `200 Job ${draft.id} submitted.`;
}

function setParameter({ documents }: Line, draft: ScriptJob, argument: string): string {
  const [, name = '', value = ''] = /^(\w+) (.*)$/.exec(argument) ?? [];
  if (value.startsWith('"') && !/^"(?:[^"\\]|\\.)*"$/.test(value)) return '500 Syntax error.';
  const plain = value.replace(/^"(.*)"$/, '$1').replace(/\\(.)/g, '$1');
  draft.parameters.set(name, plain);
  if (name !== 'DOCUMENT') return `213 ${name} set to "${plain}".`;
  draft.document = documents.get(plain) ?? Buffer.alloc(0);
  return `200 Added document ${plain} as docq/doc.${draft.id}.`;
}

function remember({ formats }: Line, verb: string, argument: string): string {
  formats.set(verb, argument.replace(/^"(.*)"$/, '$1'));
  return `200 ${verb} command successful.`;
}

async function fileCommand(
  script: ScriptedHylafax,
  line: Line,
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
      return remember(line, verb, argument);
    case 'ADMIN':
      line.admin = argument === ADMIN_PASSWORD;
      return line.admin ? '230 Administrative privileges established.' : '530 Password incorrect.';
    case 'EPSV':
      return openPassive(line);
    case 'PORT':
      line.port = Number(argument.split(',')[4]) * 256 + Number(argument.split(',')[5]);
      return '200 PORT command successful.';
    case 'REST':
      line.from = Number(argument);
      return `350 Data transfer will restart at ${argument}, send transfer command`;
    case 'SIZE':
      if (file || text !== undefined) return `213 ${file?.bytes.length ?? Buffer.byteLength(text ?? '')}`;
      return `550 ${argument}: not a plain file.`;
    case 'MDTM':
      return file ? `213 ${compact(file.at)}` : `550 ${argument}: No such file or directory.`;
    case 'DELE':
      if (!line.admin) return `550 ${argument}: Operation not permitted.`;
      return script.files.delete(path) ? '250 DELE command successful.' : `550 ${argument}: No such file or directory.`;
    case 'STOT':
      return store(line);
    case 'RETR':
      if (!file && text === undefined) return `550 ${argument}: No such file or directory.`;
      if (file?.secret && !line.admin) return `550 ${argument}: Operation not permitted.`;
      return send(line, (file?.bytes ?? Buffer.from(text ?? '')).subarray(line.from));
    case 'LIST':
    case 'NLST':
      return send(line, Buffer.from(listing(script, line, verb, argument)));
    case 'SITE':
      return openChannel(line, channels);
    default:
      return `500 ${verb}: Command not recognized.`;
  }
}

async function openPassive(line: Line): Promise<string> {
  line.passive?.server.close();
  const server = createServer();
  const socket = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const port = await listen(server);
  line.passive = { server, socket };
  return `229 Entering Extended Passive Mode (|||${port}|)`;
}

async function dataSocket(line: Line): Promise<Socket> {
  if (!line.passive) throw new Error('no data connection was prepared');
  const socket = await line.passive.socket;
  line.passive.server.close();
  line.passive = undefined;
  socket.on('error', () => {});
  return socket;
}

async function send(line: Line, bytes: Buffer): Promise<string> {
  line.from = 0;
  const socket = await dataSocket(line);
  say(line, '150 Opening new data connection.');
  socket.end(bytes);
  return '226 Transfer complete.';
}

async function store(line: Line): Promise<string> {
  const socket = await dataSocket(line);
  const name = `/tmp/doc${line.documents.size + 1}.tif`;
  say(line, `150 FILE: ${name} (Opening new data connection).`);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  line.documents.set(name, Buffer.concat(chunks));
  return `226 Transfer complete (FILE: ${name}).`;
}

async function openChannel(line: Line, channels: Set<Socket>): Promise<string> {
  const socket = dial(line.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.once('close', () => channels.delete(socket));
  line.control.once('close', () => socket.destroy());
  await new Promise((resolve) => socket.once('connect', resolve));
  channels.add(socket);
  return '150 Opening new data connection for trigger.';
}
