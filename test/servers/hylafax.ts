// A real HylaFAX for one test file: hfaxd and faxq with a spool of their own, and optionally two soft modems that call each other
// over IAX2 on the loopback interface. Needs root, because the daemons drop its rights themselves.
import { createSocket } from 'node:dgram';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { chmod, chown, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../fixtures/wait-for.js';
import { findProgram, freePort, type Running, run, runToEnd, untilPort } from './process.js';

export interface HylafaxOptions {
  /** Two modems that call each other, whatever number is dialled. They take some seconds to start. */
  modems?: boolean;
}

export interface HylafaxModem {
  /** The name in HylaFAX. */
  readonly name: string;
  /** Its own number, which the other modem sees as the caller's number. */
  readonly number: string;
}

export interface Hylafax {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly adminPassword: string;
  readonly modems: readonly [HylafaxModem, HylafaxModem];
  readonly spool: string;
  /** Puts a received fax into recvq like a modem; `at` is when its reception ended, ms since the epoch. */
  putReceived(file: string, tiff: Uint8Array, at?: number): Promise<void>;
  /** A line of xferfaxlog, as a modem writes it at the end of a reception. */
  logReceived(file: string, modem: string, reason: string): void;
  /** Names of the files in recvq. */
  received(): string[];
  /** Ids of the jobs in a queue. */
  jobs(queue: 'sendq' | 'doneq'): string[];
  /** A file of the spool as text, '' when there is none. */
  read(path: string): string;
  close(): Promise<void>;
}

const USER = 'tester';
const PASSWORD = 'pw-tester';
const ADMIN_PASSWORD = 'pw-admin';
const NUMBERS = ['5551001', '5551002'] as const;
/** On Debian and Ubuntu; HylaFAX runs as this user. */
const UUCP = 10;
const FOLDERS = 'archive bin client config dev docq doneq etc info log pollq recvq sendq status tmp'.split(' ');
const PROGRAMS = ['hfaxd', 'faxq', 'faxgetty', 'iaxmodem', 'openssl'];

/** Why no HylaFAX can be started here; undefined when it can. */
export function whyNoHylafax(): string | undefined {
  const missing = PROGRAMS.find((name) => !findProgram(name));
  if (missing) return `${missing} is not installed`;
  if (!existsSync('/etc/hylafax/setup.cache')) return 'hylafax-server is not set up';
  return process.getuid?.() === 0 ? undefined : 'starting HylaFAX needs root';
}

export async function startHylafax({ modems: withModems = false }: HylafaxOptions = {}): Promise<Hylafax> {
  const dir = mkdtempSync(join(tmpdir(), 'gatepost-hylafax-'));
  chmodSync(dir, 0o755);
  const spool = join(dir, 'spool');
  const port = await freePort();
  const modems = [modemOf(dir, 'ttyA', NUMBERS[0]), modemOf(dir, 'ttyB', NUMBERS[1])] as const;
  const started: Running[] = [];
  const start = (name: string, args: readonly string[]) => {
    const running = run(findProgram(name) ?? name, args, { cwd: dir });
    started.push(running);
    return running;
  };
  const read = (path: string) => (existsSync(join(spool, path)) ? readFileSync(join(spool, path), 'utf8') : '');
  const close = async () => {
    // The programs that hold the modems first, the modems last: otherwise those wait for a line that is gone.
    for (const running of started.reverse()) await running.stop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await makeSpool(spool, withModems ? modems : []);
    if (withModems) await startModems(modems, start);
    start('faxq', ['-D', '-q', spool]);
    start('hfaxd', ['-d', '-q', spool, '-l', '127.0.0.1', '-i', String(port)]);
    await waitFor('the scheduler of HylaFAX', () => existsSync(join(spool, 'FIFO')));
    await untilPort(port);
    if (withModems) {
      for (const modem of modems) start('faxgetty', ['-q', spool, modem.device]);
      for (const { name } of modems)
        await waitFor(`modem ${name}`, () => read(`status/${name}`).startsWith('Running and idle'), 60_000);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ...{ port, user: USER, password: PASSWORD, adminPassword: ADMIN_PASSWORD, modems, spool, read, close },
    putReceived: (file, tiff, at) => putReceived(spool, file, tiff, at),
    logReceived: (file, modem, reason) => logReceived(spool, file, modem, reason),
    received: () => readdirSync(join(spool, 'recvq')).filter((name) => name.startsWith('fax')),
    jobs: (queue) =>
      readdirSync(join(spool, queue))
        .filter((name) => /^q\d+$/.test(name))
        .map((name) => name.slice(1)),
  };
}

interface Modem extends HylafaxModem {
  readonly tty: string;
  readonly device: string;
}

function modemOf(dir: string, tty: string, number: string): Modem {
  const device = join(dir, tty);
  return { tty, device, number, name: device.replaceAll('/', '_') };
}

async function makeSpool(spool: string, modems: readonly Modem[]): Promise<void> {
  for (const folder of ['', ...FOLDERS]) mkdirSync(join(spool, folder));
  await runToEnd('cp', ['-a', '/etc/hylafax/.', join(spool, 'etc')]);
  await runToEnd('cp', ['-a', '/var/spool/hylafax/bin/.', join(spool, 'bin')]);
  const setup = readFileSync('/etc/hylafax/setup.cache', 'utf8').replace(/^SPOOL=.*$/m, `SPOOL='${spool}'`);
  await rm(join(spool, 'etc/setup.cache'));
  writeFileSync(join(spool, 'etc/setup.cache'), setup);
  // The scripts that come with HylaFAX send mails by way of the machine's own mail system.
  for (const script of ['faxrcvd', 'notify', 'pollrcvd', 'wedged'])
    writeFileSync(
      join(spool, 'bin', script),
      `#!/bin/sh\nprintf '%s|' "$@" >> log/${script}; echo >> log/${script}\n`,
      {
        mode: 0o755,
      },
    );
  const [user, admin] = await Promise.all([PASSWORD, ADMIN_PASSWORD].map(crypt));
  writeFileSync(join(spool, 'etc/hosts.hfaxd'), `^${USER}@.*:1001:${user}:${admin}\n`, { mode: 0o600 });
  const rules = ['CountryCode: 1', 'AreaCode: 555', 'LongDistancePrefix: 1', 'InternationalPrefix: 011'];
  const pauses = ['JobReqBusy: 10', 'JobReqNoCarrier: 10', 'JobReqNoAnswer: 10', 'JobRetryOther: 10'];
  const common = [...rules, 'DialStringRules: etc/dialrules'];
  writeFileSync(join(spool, 'etc/config'), lines([...common, ...pauses]));
  for (const modem of modems) {
    const config = modemConfiguration(modem, join(spool, 'locks'));
    writeFileSync(join(spool, `etc/config.${modem.name}`), lines([...common, ...config]));
  }
  mkdirSync(join(spool, 'locks'));
  await runToEnd('chown', ['-R', 'uucp:uucp', spool]);
}

function modemConfiguration({ tty, number }: Modem, locks: string): string[] {
  return [
    ...[`FAXNumber: ${number}`, `LocalIdentifier: "Modem ${tty}"`, 'TagLineFont: etc/lutRS18.pcf'],
    ...['RecvFileMode: 0600', 'DeviceMode: 0660', 'RingsBeforeAnswer: 1', 'SpeakerVolume: off', 'MaxRecvPages: 200'],
    ...['ModemType: Class1', 'Class1AdaptRecvCmd: AT+FAR=1', 'Class1TMConnectDelay: 400', 'ModemResetCmds: AT+VCID=1'],
    ...['CallIDPattern: "NMBR="', 'CallIDPattern: "NAME="', 'CallIDPattern: "ANID="', 'CallIDPattern: "NDID="'],
    ...['PagerTTYParity: none', 'ModemResetDelay: 100', 'ModemSoftResetCmdDelay: 100', 'ModemDTRDropDelay: 10'],
    ...['ModemNoAutoAnswerCmdDelay: 0', 'ModemATCmdDelay: 0', 'UseJobTSI: yes', `UUCPLockDir: ${locks}`],
  ];
}

function lines(list: readonly string[]): string {
  return `${list.join('\n')}\n`;
}

async function crypt(password: string): Promise<string> {
  return (await runToEnd('openssl', ['passwd', '-6', password])).trim();
}

async function startModems(
  modems: readonly [Modem, Modem],
  start: (name: string, args: readonly string[]) => Running,
): Promise<void> {
  const ports = [await freeUdpPort(), await freeUdpPort()] as const;
  for (const [at, modem] of modems.entries()) {
    const [own, other] = at === 0 ? ports : [ports[1], ports[0]];
    const about = [`device ${modem.device}`, 'owner uucp:uucp', 'mode 660', `port ${own}`, 'refresh 0'];
    const line = [`server 127.0.0.1:${other}`, `peername iax${modem.tty}`, 'secret pw', 'codec slinear'];
    const caller = [`cidname Modem ${modem.tty}`, `cidnumber ${modem.number}`];
    writeFileSync(`${modem.device}.iax`, lines([...about, ...line, ...caller]));
    // It reads its file below /etc/iaxmodem and nowhere else.
    start('iaxmodem', [`../..${modem.device}.iax`]);
    await waitFor(`modem device ${modem.device}`, () => existsSync(modem.device));
  }
}

function freeUdpPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** Under another name first, so that no listing shows half of it. */
async function putReceived(spool: string, file: string, tiff: Uint8Array, at?: number): Promise<void> {
  const path = join(spool, 'recvq', file);
  const hidden = join(spool, 'recvq', `new-${file}`);
  await writeFile(hidden, tiff);
  await chmod(hidden, 0o644);
  await chown(hidden, UUCP, UUCP);
  if (at !== undefined) await utimes(hidden, at / 1000, at / 1000);
  await rename(hidden, path);
}

/** The columns of xferfaxlog(5); unused ones are empty. */
function logReceived(spool: string, file: string, modem: string, reason: string): void {
  const columns = ['11/22/26 10:00', 'RECV', '000000001', modem, `recvq/${file}`, '""', 'fax', '"5551002"', '"caller"'];
  const rest = ['0', '1', '0:10', '0:05', `"${reason}"`, '"Somebody"', '"5551001"', '""', '""'];
  const path = join(spool, 'log/xferfaxlog');
  writeFileSync(path, `${[...columns, ...rest].join('\t')}\n`, { flag: 'a', mode: 0o600 });
  chownSync(path, UUCP, UUCP);
}
