// Owns a private Kannel: bearerbox, smsbox with its sendsms port, and fakesmsc as the operator's side, where texts come
// out and go in.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../fixtures/wait-for.js';
import { findProgram, freePort, type Running, run, untilListening, untilPort } from './process.js';

const FAKE_SMSC = '/usr/lib/kannel/test/fakesmsc';
const ADMIN = 'kannel-admin';

export interface KannelOptions {
  /** Where messages from the operator are pushed to, with Kannel's `%p` and the like. */
  getUrl?: string;
  /** Further groups of the configuration, `group = smsc` and so on. */
  groups?: readonly (readonly string[])[];
}

export interface KannelText {
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

export interface Kannel {
  /** `http://127.0.0.1:PORT/cgi-bin/sendsms`; user and password are `tester` and `foobar`. */
  readonly sendUrl: string;
  readonly user: string;
  readonly password: string;
  /** Texts that came out at the operator's side, in order. */
  taken(): KannelText[];
  /** Lets the operator's side send these texts, each once; it stays connected afterwards. */
  offer(text: KannelText): Promise<void>;
  /** Takes the operator's side away: Kannel queues what it is given. */
  hangUp(): Promise<void>;
  status(): Promise<string>;
  log(): string;
  close(): Promise<void>;
}

/** Why no Kannel can be started here; undefined when it can. */
export function whyNoKannel(): string | undefined {
  if (!findProgram('bearerbox') || !findProgram('smsbox')) return 'kannel is not installed';
  return existsSync(FAKE_SMSC) ? undefined : 'kannel-extras is not installed';
}

export async function startKannel(options: KannelOptions = {}): Promise<Kannel> {
  const dir = mkdtempSync(join(tmpdir(), 'gatepost-kannel-'));
  const ports = { admin: await freePort(), smsbox: await freePort(), smsc: await freePort(), send: await freePort() };
  const file = join(dir, 'kannel.conf');
  writeFileSync(file, configuration(ports, options));
  const boxes: Running[] = [];
  const operators: Running[] = [];
  let operator: Running | undefined;
  const status = async () => (await fetch(`http://127.0.0.1:${ports.admin}/status.txt?password=${ADMIN}`)).text();
  const operatorIs = (word: string) =>
    waitFor(`the operator's side to be ${word}`, async () => (await status().catch(() => '')).includes(`(${word}`));
  const hangUp = async () => {
    await operator?.stop();
    operator = undefined;
    await operatorIs('re-connecting').catch(() => undefined);
  };
  const begin = async (messages: readonly string[]) => {
    const args = [
      '-H',
      '127.0.0.1',
      '-r',
      String(ports.smsc),
      '-i',
      '0.05',
      '-m',
      String(messages.length),
      ...messages,
    ];
    operator = run(FAKE_SMSC, messages.length > 0 ? args : [...args, '1 2 text none'], { cwd: dir });
    operators.push(operator);
    await operatorIs('online');
  };
  const close = async () => {
    await operator?.stop();
    for (const box of boxes.reverse()) await box.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    boxes.push(run(findProgram('bearerbox') ?? 'bearerbox', ['-v', '1', file], { cwd: dir }));
    await untilPort(ports.admin);
    await untilListening(ports.smsbox);
    await untilListening(ports.smsc);
    boxes.push(run(findProgram('smsbox') ?? 'smsbox', ['-v', '1', file], { cwd: dir }));
    await untilPort(ports.send);
    await waitFor('smsbox to be known to bearerbox', async () => (await status()).includes('smsbox:'));
    await begin([]);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    sendUrl: `http://127.0.0.1:${ports.send}/cgi-bin/sendsms`,
    user: 'tester',
    password: 'foobar',
    taken: () => operators.flatMap((one) => textsIn(one.output())),
    async offer({ from, to, text }) {
      await hangUp();
      const ascii = /^[\x20-\x7e]*$/.test(text);
      await begin([
        `${from} ${to} ${ascii ? `text ${text}` : `ucs2 ${percent(Buffer.from(text, 'utf16le').swap16())}`}`,
      ]);
    },
    hangUp,
    status,
    log: () => boxes.map((box) => box.output()).join('\n'),
    close,
  };
}

function configuration(
  ports: { admin: number; smsbox: number; smsc: number; send: number },
  { getUrl, groups = [] }: KannelOptions,
): string {
  const service = ['group = sms-service', 'keyword = default', 'max-messages = 0'];
  const own = [
    ['group = core', `admin-port = ${ports.admin}`, `admin-password = ${ADMIN}`, `smsbox-port = ${ports.smsbox}`],
    ['group = smsc', 'smsc = fake', 'smsc-id = fake', `port = ${ports.smsc}`, 'connect-allow-ip = 127.0.0.1'],
    ['group = smsbox', 'bearerbox-host = 127.0.0.1', `sendsms-port = ${ports.send}`, 'global-sender = 12345'],
    ['group = sendsms-user', 'username = tester', 'password = foobar', 'max-messages = 10', 'concatenation = true'],
    getUrl ? [...service, `get-url = "${getUrl}"`] : [...service, 'text = ""'],
  ];
  own[0]?.push('box-allow-ip = "127.0.0.1"', 'dlr-storage = internal');
  return `${[...own, ...groups].map((group) => group.join('\n')).join('\n\n')}\n`;
}

/** `Got message 1: <12345 +420777123456 ucs-2 %04%16>`; the kinds are text, data and ucs-2. */
const GOT = /Got message \d+: <(\S*) (\S+) (text|data|ucs-2) (.*)>$/gm;

function textsIn(output: string): KannelText[] {
  return [...output.matchAll(GOT)].map(([, from = '', to = '', kind = '', data = '']) => ({
    from,
    to,
    text: kind === 'text' ? data : kind === 'data' ? bytesOf(data).toString() : utf16(bytesOf(data)),
  }));
}

const utf16 = (bytes: Buffer) => Buffer.from(bytes).swap16().toString('utf16le');

function bytesOf(encoded: string): Buffer {
  const plain = encoded.replaceAll('+', ' ').replace(/%([0-9a-f]{2})/gi, (_, hex: string) => {
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
  return Buffer.from(plain, 'latin1');
}

const percent = (bytes: Buffer) => [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
