// A throw-away Postfix: accepts mail on a free port of 127.0.0.1 and relays it to another one. Needs root, because
// Postfix gives its parts to other users.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../fixtures/wait-for.js';
import { findProgram, freePort, runToEnd, untilPort } from './process.js';

export interface PostfixOptions {
  /** Where everything is relayed to, on 127.0.0.1. */
  relayPort: number;
  /** PEM files; STARTTLS is offered with them. */
  tls?: { keyFile: string; certFile: string };
  /** Recipients that are answered with these words: `{ 'b@x.test': '550 5.1.1 no b here' }`. */
  answers?: Readonly<Record<string, string>>;
  /** Further lines for main.cf. */
  config?: readonly string[];
}

export interface Postfix {
  readonly host: '127.0.0.1';
  readonly port: number;
  log(): string;
  close(): Promise<void>;
}

/** Why no Postfix can be started here; undefined when it can. */
export function whyNoPostfix(): string | undefined {
  if (!findProgram('postfix')) return 'postfix is not installed';
  if (process.getuid?.() !== 0) return 'starting a Postfix needs root';
  return undefined;
}

const SERVICES = [
  'pickup unix n - n 60 1 pickup',
  'cleanup unix n - n - 0 cleanup',
  'qmgr unix n - n 300 1 qmgr',
  'tlsmgr unix - - n 1000? 1 tlsmgr',
  'rewrite unix - - n - - trivial-rewrite',
  'bounce unix - - n - 0 bounce',
  'defer unix - - n - 0 bounce',
  'trace unix - - n - 0 bounce',
  'verify unix - - n - 1 verify',
  'flush unix n - n 1000? 0 flush',
  'proxymap unix - - n - - proxymap',
  'smtp unix - - n - - smtp',
  'relay unix - - n - - smtp',
  'showq unix n - n - - showq',
  'error unix - - n - - error',
  'retry unix - - n - - error',
  'discard unix - - n - - discard',
  'anvil unix - - n - 1 anvil',
  'scache unix - - n - 1 scache',
  'postlog unix-dgram n - n - 1 postlogd',
];

export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const dir = mkdtempSync(join(tmpdir(), 'gatepost-postfix-'));
  chmodSync(dir, 0o755);
  const port = await freePort();
  const etc = join(dir, 'etc');
  for (const name of ['etc', 'queue', 'data']) mkdirSync(join(dir, name));
  await runToEnd('chown', ['postfix', join(dir, 'data')]);
  writeFileSync(join(etc, 'main.cf'), `${mainCf(dir, options).join('\n')}\n`);
  writeFileSync(join(etc, 'master.cf'), `${[`127.0.0.1:${port} inet n - n - - smtpd`, ...SERVICES].join('\n')}\n`);
  const log = () => readFileSync(join(dir, 'maillog'), 'utf8');
  await runToEnd(findProgram('postfix') ?? 'postfix', ['-c', etc, 'start']);
  await untilPort(port);
  const pid = Number(readFileSync(join(dir, 'queue', 'pid', 'master.pid'), 'utf8').trim());
  return {
    host: '127.0.0.1',
    port,
    log,
    async close() {
      process.kill(pid, 'SIGTERM');
      await waitFor('Postfix to end', () => !alive(pid));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function mainCf(dir: string, { relayPort, tls, answers = {}, config = [] }: PostfixOptions): string[] {
  const access = Object.entries(answers).map(([recipient, answer]) => `{ ${recipient} = ${answer} }`);
  const check = access.length > 0 ? `check_recipient_access inline:{ ${access.join(', ')} }, ` : '';
  return [
    'compatibility_level = 3.6',
    `queue_directory = ${dir}/queue`,
    `data_directory = ${dir}/data`,
    'command_directory = /usr/sbin',
    'daemon_directory = /usr/lib/postfix/sbin',
    'mail_owner = postfix',
    'setgid_group = postdrop',
    'multi_instance_name = postfix-gatepost-test',
    'multi_instance_enable = yes',
    `maillog_file = ${dir}/maillog`,
    `maillog_file_prefixes = ${dir}`,
    'myhostname = mx.example.test',
    'mydestination =',
    'mynetworks = 127.0.0.0/8',
    'alias_maps =',
    'local_recipient_maps =',
    'inet_interfaces = 127.0.0.1',
    'inet_protocols = ipv4',
    'smtpd_relay_restrictions = permit_mynetworks, reject',
    `smtpd_recipient_restrictions = ${check}permit_mynetworks, reject`,
    `relayhost = [127.0.0.1]:${relayPort}`,
    'minimal_backoff_time = 2s',
    'maximal_backoff_time = 10s',
    'queue_run_delay = 2s',
    ...(tls
      ? [
          `smtpd_tls_cert_file = ${tls.certFile}`,
          `smtpd_tls_key_file = ${tls.keyFile}`,
          'smtpd_tls_security_level = may',
        ]
      : []),
    ...config,
  ];
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
