// A private Kannel: bearerbox, smsbox with its sendsms port, and fakesmsc as the operator's side, where texts come out and
// go in.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../fixtures/wait-for.js';
import { findProgram, freePort, type Running, run, untilListening, untilPort } from './process.js';

const FAKE_SMSC = '/usr/lib/kannel/test/fakesmsc';
const ADMIN = 'kannel-admin';

export interface KannelOptions {
  /** Where Kannel pushes messages of the operator to, with its `%p` and the like. */
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
  outgoing(): KannelText[];
  /** The operator's side sends this text once, and stays connected. */
  offer(text: KannelText): Promise<void>;
  /** Disconnects the operator's side: Kannel queues texts. */
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

interface Ports {
  readonly admin: number;
  readonly smsbox: number;
  readonly smsc: number;
  readonly send: number;
}

export async function startKannel(options: KannelOptions = {}): Promise<Kannel> {
  const dir = mkdtempSync(join(tmpdir(), 'gatepost-kannel-'));
  const ports = { admin: await freePort(), smsbox: await freePort(), smsc: await freePort(), send: await freePort() };
  const kannel = new RunningKannel(dir, ports);
  try {
    await kannel.start(options);
  } catch (error) {
    await kannel.close();
    throw error;
  }
  return kannel;
}

class RunningKannel implements Kannel {
  readonly user = 'tester';
  readonly password = 'foobar';
  readonly sendUrl: string;
  readonly #dir: string;
  readonly #ports: Ports;
  readonly #boxes: Running[] = [];
  /** Every operator so far; their output has the texts. */
  readonly #operators: Running[] = [];
  #operator: Running | undefined;

  constructor(dir: string, ports: Ports) {
    this.#dir = dir;
    this.#ports = ports;
    this.sendUrl = `http://127.0.0.1:${ports.send}/cgi-bin/sendsms`;
  }

  // Tests take these methods off the object, so each is a property.
  readonly outgoing = () => this.#operators.flatMap((one) => textsIn(one.output()));

  readonly log = () => this.#boxes.map((box) => box.output()).join('\n');

  readonly status = async () =>
    (await fetch(`http://127.0.0.1:${this.#ports.admin}/status.txt?password=${ADMIN}`)).text();

  readonly offer = async ({ from, to, text }: KannelText) => {
    await this.hangUp();
    const isAscii = /^[\x20-\x7e]*$/.test(text);
    const content = isAscii ? `text ${text}` : `ucs2 ${percent(Buffer.from(text, 'utf16le').swap16())}`;
    await this.#startOperator([`${from} ${to} ${content}`]);
  };

  readonly hangUp = async () => {
    await this.#operator?.stop();
    this.#operator = undefined;
    await this.#operatorIs('re-connecting').catch(() => undefined);
  };

  readonly close = async () => {
    await this.#operator?.stop();
    for (const box of this.#boxes.reverse()) await box.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  };

  async start(options: KannelOptions): Promise<void> {
    const file = join(this.#dir, 'kannel.conf');
    writeFileSync(file, configuration(this.#ports, options));
    this.#startBox('bearerbox', file);
    await untilPort(this.#ports.admin);
    await untilListening(this.#ports.smsbox);
    await untilListening(this.#ports.smsc);
    this.#startBox('smsbox', file);
    await untilPort(this.#ports.send);
    await waitFor('smsbox to be known to bearerbox', async () => (await this.status()).includes('smsbox:'));
    await this.#startOperator([]);
  }

  #startBox(name: string, file: string): void {
    this.#boxes.push(run(findProgram(name) ?? name, ['-v', '1', file], { cwd: this.#dir }));
  }

  async #startOperator(messages: readonly string[]): Promise<void> {
    const count = String(messages.length);
    const args = ['-H', '127.0.0.1', '-r', String(this.#ports.smsc), '-i', '0.05', '-m', count];
    const all = messages.length > 0 ? [...args, ...messages] : [...args, '1 2 text none'];
    this.#operator = run(FAKE_SMSC, all, { cwd: this.#dir });
    this.#operators.push(this.#operator);
    await this.#operatorIs('online');
  }

  #operatorIs(state: string): Promise<unknown> {
    return waitFor(`the operator's side to be ${state}`, async () =>
      (await this.status().catch(() => '')).includes(`(${state}`),
    );
  }
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
