// Installs the real servers that the tests start: on Debian and Ubuntu, as root. Elsewhere it prints which tests will be skipped
// and the command that installs their servers. `npm test` runs this first. With REQUIRE_SERVERS=1 a missing server is an error.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** Package, a file that exists once it is installed, and the tests that are skipped without it. */
const SERVERS = [
  ['dovecot-core', '/usr/sbin/dovecot', 'receiving from a real IMAP server'],
  ['dovecot-imapd', '/usr/lib/dovecot/imap', 'receiving from a real IMAP server'],
  ['dovecot-lmtpd', '/usr/lib/dovecot/lmtp', 'receiving from a real IMAP server'],
  ['postfix', '/usr/sbin/postfix', 'sending through a real mail relay'],
  ['openssl', '/usr/bin/openssl', 'TLS with certificates of our own'],
  ['libnet-smpp-perl', '/usr/share/perl5/Net/SMPP.pm', 'texts to and from an independent SMSC'],
  ['kannel', '/usr/sbin/bearerbox', 'texts to and from Kannel'],
  ['kannel-extras', '/usr/lib/kannel/test/fakesmsc', 'texts to and from Kannel'],
  ['hylafax-server', '/usr/sbin/hfaxd', 'faxes to and from a real HylaFAX'],
  ['hylafax-client', '/usr/bin/faxstat', 'faxes to and from a real HylaFAX'],
  ['iaxmodem', '/usr/bin/iaxmodem', 'a fax sent and received in a real call'],
  ['ghostscript', '/usr/bin/gs', 'fax pages made of PDF'],
  ['poppler-utils', '/usr/bin/pdftotext', 'reading back what was written as PDF'],
  ['libtiff-tools', '/usr/bin/tiffinfo', 'reading back what was written as TIFF'],
  ['chromium', '/usr/bin/chromium', 'faxes laid out by a browser'],
];
const POLICY = '/usr/sbin/policy-rc.d';

const missing = SERVERS.filter(([, file]) => !existsSync(file));
const packages = missing.map(([name]) => name);
const isRoot = process.getuid?.() === 0;

if (packages.length > 0) {
  if (isRoot && isDebian()) install();
  else tellSkipped();
} else if (!isRoot) {
  say(
    'Tests with a real IMAP server are skipped: Dovecot in a temporary folder needs root. Run them with: sudo npm test',
  );
}
if (process.env.REQUIRE_SERVERS === '1') failWhenMissing();

function isDebian() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release) && existsSync('/usr/bin/apt-get');
}

function install() {
  say(`Installing the servers that the tests use: ${packages.join(' ')} (no service is started)`);
  const done = withoutServices(() => apt() || (spawnSync('apt-get', ['update', '-q'], quiet()).status === 0 && apt()));
  if (done) return;
  say('The installation failed, so these tests will be skipped.');
  tellSkipped();
}

/** --no-remove: without it, apt would remove a mail server that is already in use here to make room for postfix. */
function apt() {
  spawnSync('debconf-set-selections', [], { input: 'postfix postfix/main_mailer_type select No configuration\n' });
  const args = ['install', '-y', '-q', '--no-install-recommends', '--no-remove', ...packages];
  const { status, stderr } = spawnSync('apt-get', args, quiet());
  if (status !== 0) say(String(stderr).trim().split('\n').slice(-3).join('\n'));
  return status === 0;
}

function quiet() {
  return { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, stdio: ['ignore', 'ignore', 'pipe'] };
}

/** Debian packages run this file before they start a service; exit code 101 forbids it. An existing file is left alone. */
function withoutServices(work) {
  if (existsSync(POLICY)) return work();
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return work();
  } finally {
    rmSync(POLICY, { force: true });
  }
}

function failWhenMissing() {
  const absent = SERVERS.filter(([, file]) => !existsSync(file)).map(([name]) => name);
  if (absent.length > 0) say(`REQUIRE_SERVERS=1, but these packages are missing: ${absent.join(' ')}`);
  if (!isRoot) say('REQUIRE_SERVERS=1, but Dovecot needs root');
  if (absent.length > 0 || !isRoot) process.exitCode = 1;
}

function tellSkipped() {
  for (const what of new Set(missing.map(([, , tests]) => tests))) say(`Skipped: ${what}`);
  say(`These would run after: sudo apt-get install --no-install-recommends ${packages.join(' ')}`);
}

function say(line) {
  process.stderr.write(`${line}\n`);
}
