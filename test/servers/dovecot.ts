// A throw-away Dovecot: IMAP with and without TLS, LMTP for delivery, on free ports of 127.0.0.1 and in a temp
// folder of its own. Needs root, because Dovecot gives every mailbox to another user.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { chown, mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import nodemailer from 'nodemailer';
import { waitFor } from '../fixtures/wait-for.js';
import { findProgram, freePort, type Running, run, runToEnd, untilPort } from './process.js';

export interface DovecotUser {
  name: string;
  password: string;
}

export interface DovecotOptions {
  /** Mailboxes; one user `desk@example.test` with password `pw-desk` when absent. */
  users?: readonly DovecotUser[];
  /** Folders besides INBOX that every user gets. */
  folders?: readonly string[];
  /** What the server says it can do after login, in place of everything it can: `IMAP4rev1 UIDPLUS`. */
  capability?: string;
  /** Accepts OAuth2 tokens (XOAUTH2, OAUTHBEARER) that this address knows; the token is appended to it. */
  tokenInfoUrl?: string;
  /** Further lines for dovecot.conf. */
  config?: string;
}

export interface Dovecot {
  readonly dir: string;
  /** Plain IMAP with STARTTLS. */
  readonly port: number;
  /** IMAP over TLS. */
  readonly tlsPort: number;
  readonly lmtpPort: number;
  /** SASL for a Postfix. */
  readonly saslPort: number;
  /** PEM file: self-signed, for localhost and 127.0.0.1. */
  readonly cert: string;
  readonly users: readonly DovecotUser[];
  /** Delivers one mail by LMTP; resolves when Dovecot has accepted it. */
  deliver(user: string, raw: string | Uint8Array): Promise<void>;
  /** Writes mails straight into the Maildir: for many at once. `at` gives the internal date, ms. */
  fill(user: string, count: number, make: (index: number) => { raw: string | Uint8Array; at: number }): Promise<void>;
  /** Resolves when logins with it succeed. Open sessions stay. */
  setPassword(user: string, password: string): Promise<void>;
  /** Ends the sessions of a user. */
  kick(user: string): Promise<void>;
  /** The mailbox gets a new UIDVALIDITY and its mails new UIDs, as after a restore; open sessions are ended. */
  recreateMailbox(user: string): Promise<void>;
  doveadm(...args: string[]): Promise<string>;
  /** Dovecot's own log so far. */
  log(): string;
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Why no Dovecot can be started here; undefined when it can. */
export function whyNoDovecot(): string | undefined {
  if (!findProgram('dovecot') || !findProgram('doveadm')) return 'dovecot is not installed';
  if (!findProgram('openssl')) return 'openssl is not installed';
  if (process.getuid?.() !== 0) return 'starting a Dovecot needs root';
  return undefined;
}

/** Gid of every mailbox (mail), and the first of the uids. Distinct uids, because the kernel's inotify limit counts per uid. */
const MAIL_GID = 8;
const FIRST_UID = 30_000;

export async function startDovecot(options: DovecotOptions = {}): Promise<Dovecot> {
  const users = [...(options.users ?? [{ name: 'desk@example.test', password: 'pw-desk' }])];
  const dir = mkdtempSync(join(tmpdir(), 'gatepost-dovecot-'));
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'mail'));
  chmodSync(join(dir, 'mail'), 0o1777);
  const ports = { imap: await freePort(), tls: await freePort(), lmtp: await freePort(), sasl: await freePort() };
  await makeCertificate(dir);
  writeUsers(dir, users);
  const conf = join(dir, 'dovecot.conf');
  writeFileSync(conf, configuration(dir, ports, options));
  if (options.tokenInfoUrl) writeFileSync(join(dir, 'oauth2.conf'), tokenChecks(options.tokenInfoUrl));

  let running: Running | undefined;
  const start = async () => {
    running = run(program('dovecot'), ['-F', '-c', conf]);
    const failed = running.ended.then((code) => {
      throw new Error(`dovecot ended with ${code}: ${running?.output()}`);
    });
    const up = Promise.all([ports.imap, ports.tls, ports.lmtp].map(untilPort));
    await Promise.race([up, failed]);
    failed.catch(() => {});
  };
  const stop = async () => {
    await running?.stop();
    running = undefined;
  };
  const doveadm = (...args: string[]) => runToEnd(program('doveadm'), ['-c', conf, ...args]);
  let filled = 0;
  const home = (user: string) => join(dir, 'mail', user);
  await start();
  return {
    dir,
    port: ports.imap,
    tlsPort: ports.tls,
    lmtpPort: ports.lmtp,
    saslPort: ports.sasl,
    cert: join(dir, 'cert.pem'),
    users,
    deliver: (user, raw) => deliver(ports.lmtp, user, raw),
    async fill(user, count, make) {
      await fill(home(user), uidOf(users, user), count, make, filled);
      filled += count;
    },
    async setPassword(name, password) {
      const at = users.findIndex((user) => user.name === name);
      users.splice(at, 1, { name, password });
      writeUsers(dir, users);
      // Dovecot reads its file of users once a second at most.
      const accepted = () =>
        doveadm('auth', 'test', name, password).then(
          () => true,
          () => false,
        );
      await waitFor('the new password', accepted);
    },
    kick: (user) => kick(user, doveadm),
    recreateMailbox: (user) => recreate(home(user), user, doveadm),
    doveadm,
    log: () => readFileSync(join(dir, 'dovecot.log'), 'utf8'),
    stop,
    start,
    async close() {
      await stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function program(name: string): string {
  const path = findProgram(name);
  if (!path) throw new Error(`${name} is not installed`);
  return path;
}

function uidOf(users: readonly DovecotUser[], name: string): number {
  const at = users.findIndex((user) => user.name === name);
  if (at < 0) throw new Error(`no mailbox ${name}`);
  return FIRST_UID + at;
}

/** The trailing colons are needed: without home and uid LMTP refuses the recipient. */
function writeUsers(dir: string, users: readonly DovecotUser[]): void {
  const lines = users.map(
    ({ name, password }, at) => `${name}:{PLAIN}${password}:${FIRST_UID + at}:${MAIL_GID}::${dir}/mail/${name}::`,
  );
  writeFileSync(join(dir, 'users'), `${lines.join('\n')}\n`);
}

async function makeCertificate(dir: string): Promise<void> {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const files = ['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem')];
  await runToEnd(program('openssl'), [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '3650',
    ...subject,
    ...files,
  ]);
}

async function deliver(port: number, user: string, raw: string | Uint8Array): Promise<void> {
  const lmtp = nodemailer.createTransport({ host: '127.0.0.1', port, lmtp: true, ignoreTLS: true });
  await lmtp.sendMail({ envelope: { from: 'sender@example.net', to: [user] }, raw: Buffer.from(raw) });
  lmtp.close();
}

async function fill(
  home: string,
  uid: number,
  count: number,
  make: (index: number) => { raw: string | Uint8Array; at: number },
  first: number,
): Promise<void> {
  for (const folder of ['', 'new', 'cur', 'tmp']) {
    await mkdir(join(home, folder), { recursive: true });
    await chown(join(home, folder), uid, MAIL_GID);
  }
  const run = randomBytes(4).toString('hex');
  for (let index = 0; index < count; index++) {
    const { raw, at } = make(index);
    // UIDs are given in the order of these names, so they begin with a running number.
    const name = `${1_000_000_000 + first + index}.M0R${run}.test${sizes(raw)}`;
    const path = join(home, 'new', name);
    await writeFile(path, raw);
    await chown(path, uid, MAIL_GID);
    await utimes(path, at / 1000, at / 1000);
  }
}

/** In the file name, as a delivery writes them: else Dovecot reads every mail once to learn its size over IMAP. */
function sizes(raw: string | Uint8Array): string {
  const bytes = Buffer.from(raw);
  let bare = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) if (bytes[at - 1] !== 13) bare += 1;
  return `,S=${bytes.length},W=${bytes.length + bare}`;
}

/** Fails when there is no process to end, which is fine. */
async function kick(user: string, doveadm: (...args: string[]) => Promise<string>): Promise<void> {
  await doveadm('kick', user).catch(() => {});
  await waitFor(`the end of the sessions of ${user}`, async () => !(await doveadm('who', '-1', user)).includes(user));
}

/** Without its list of UIDs Dovecot numbers the mails afresh, under a UIDVALIDITY above the last. */
async function recreate(home: string, user: string, doveadm: (...args: string[]) => Promise<string>): Promise<void> {
  await kick(user, doveadm);
  const files = await readdir(home);
  const lists = files.filter((file) => /^dovecot-uidlist$|^dovecot\.(list\.)?index/.test(file));
  for (const file of lists) await rm(join(home, file), { recursive: true });
}

function tokenChecks(url: string): string {
  return [
    `tokeninfo_url = ${url}`,
    'introspection_mode = auth',
    'username_attribute = username',
    'active_attribute = active',
    'active_value = true',
    '',
  ].join('\n');
}

function configuration(
  dir: string,
  ports: { imap: number; tls: number; lmtp: number; sasl: number },
  options: DovecotOptions,
): string {
  const folders = (options.folders ?? []).map((name) => `  mailbox "${name}" {\n    auto = subscribe\n  }`).join('\n');
  const capability = options.capability ? `protocol imap {\n  imap_capability = ${options.capability}\n}` : '';
  return `
base_dir = ${dir}/run
state_dir = ${dir}/state
instance_name = ${dir.split('-').at(-1)}
log_path = ${dir}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <${dir}/cert.pem
ssl_key = <${dir}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login${options.tokenInfoUrl ? ' xoauth2 oauthbearer' : ''}
auth_failure_delay = 0
mail_location = maildir:${dir}/mail/%u
first_valid_uid = 8
mail_max_userip_connections = 2000
default_client_limit = 4000
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u ${dir}/users
}
${
  options.tokenInfoUrl
    ? `passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = ${dir}/oauth2.conf
}`
    : ''
}
userdb {
  driver = passwd-file
  args = username_format=%u ${dir}/users
}
namespace inbox {
  inbox = yes
${folders}
}
service imap-login {
  service_count = 0
  client_limit = 4000
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = ${ports.tls}
    ssl = yes
  }
}
service imap {
  process_limit = 2000
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${ports.lmtp}
  }
}
service auth {
  client_limit = 6000
  inet_listener {
    address = 127.0.0.1
    port = ${ports.sasl}
  }
}
service anvil {
  client_limit = 6003
  # Otherwise every failed login delays the next ones from the same address.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
protocol lmtp {
  postmaster_address = postmaster@example.test
}
${capability}
${options.config ?? ''}
`;
}
