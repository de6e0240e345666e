import { expect, test } from 'vitest';
import { portOf, settings, sinceOf } from './settings.js';

const least = { Host: 'mail.example.com', User: 'desk', Password: 'secret' };

function parsed(written: Record<string, unknown>) {
  const result = settings.parse({ ...least, ...written });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.settings;
}

function problems(written: Record<string, unknown>): string[] {
  const result = settings.parse({ ...least, ...written });
  return result.ok ? [] : result.problems.map(({ setting, message }) => `${setting} ${message}`);
}

test('host, user and password are enough; the rest has the defaults', () => {
  expect(parsed({})).toEqual({
    ...least,
    Security: 'Tls',
    Folder: 'INBOX',
    AfterReceive: 'Seen',
    PollSeconds: 60,
    Idle: true,
    MaxMessageBytes: 25 * 1024 * 1024,
    Since: 'Now',
    AllowUntrustedCertificate: false,
  });
});

test('the port follows from the security unless it is given', () => {
  const ports = [{}, { Security: 'StartTls' }, { Security: 'None' }, { Security: 'None', Port: 1143 }];
  expect(ports.map((written) => portOf(parsed(written)))).toEqual([993, 143, 143, 1143]);
});

test('Since is now, everything, or a moment', () => {
  const moments = ['now', 'All', '2026-11-01', '2026-11-01T08:00:00+01:00'].map((Since) => sinceOf(parsed({ Since })));
  expect(moments).toEqual([Infinity, -Infinity, Date.UTC(2026, 10, 1), Date.UTC(2026, 10, 1, 7)]);
});

test.each([
  [{ Since: 'yesterday' }, /^Since .*"Now", "All" or a date/],
  [{ Since: '2026-13-45' }, /^Since .*"Now", "All" or a date/],
  [{ Security: 'SSL' }, /^Security .*"Tls"/],
  [{ Port: 99_999 }, /^Port /],
  [{ PollSeconds: 1 }, /^PollSeconds /],
  [{ AfterReceive: 'Move' }, /^MoveTo is missing/],
  [{ MoveTo: 'Archive' }, /^MoveTo has no effect with AfterReceive "Seen"/],
  [{ AfterReceive: 'Move', MoveTo: 'INBOX' }, /^MoveTo is the folder that is being received/],
  [{ RefuseTo: 'INBOX' }, /^RefuseTo is the folder that is being received/],
  [{ Security: 'None', TlsName: 'mail.example.com' }, /^TlsName has no effect with Security "None"/],
  [{ Passwort: 'secret' }, /^Passwort is not a setting; did you mean "Password"/],
])('%j is refused in one sentence', (written, sentence) => {
  expect(problems(written)).toEqual([expect.stringMatching(sentence)]);
});

test('the password is a secret', () => {
  expect(settings.names.filter((name) => settings.meta(name).secret)).toEqual(['Password']);
});
