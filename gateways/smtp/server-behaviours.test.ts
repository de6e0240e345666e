// What mail servers of the field answer, and what becomes of the mail: nothing is lost, nothing goes out twice.
import { afterEach, describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/driver/contract.js';
import { attemptOf, contextOf, outboundMail } from '../../test/conformance/context.js';
import { type SmtpOptions, type SmtpScript, startSmtp } from '../../test/servers/smtp.js';
import { smtpHost } from './driver.js';
import { isTooManyRecipients } from './replies.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function gateway(options: SmtpOptions, written: Record<string, unknown> = {}) {
  const server = await startSmtp(options);
  undo.push(() => server.close());
  const problems = new Map<string, string>();
  const settings = { Host: '127.0.0.1', Port: server.port, Security: 'None', ...written };
  const session = await smtpHost.open(contextOf(smtpHost, settings, { direction: 'O', problems }));
  undo.push(() => smtpHost.close(session));
  const send = (recipients: readonly string[]): Promise<Outcome> =>
    smtpHost.send?.(session, outboundMail('hello', recipients), attemptOf()) ?? Promise.reject(new Error('no send'));
  return { server, problems, send };
}

const [A, B, C] = ['a@example.net', 'b@example.net', 'c@example.net'];
const at =
  (point: string, reply: string, when: (argument: string) => boolean = () => true): SmtpScript =>
  (step) =>
    step.point === point && when(step.argument) ? reply : undefined;
/** The server takes so many recipients in a transaction and answers the others. */
const atMost = (most: number, reply: string): SmtpScript => {
  let taken = 0;
  return ({ point }) => {
    if (point === 'MAIL') taken = 0;
    if (point !== 'RCPT') return undefined;
    taken += 1;
    return taken > most ? reply : undefined;
  };
};
const laterReply = async (reply: string) => {
  await new Promise((resolve) => setImmediate(resolve));
  return reply;
};

describe('a limit of recipients for one transaction', () => {
  for (const reply of [
    '452 4.5.3 Too many recipients',
    '452 too many recipients',
    '552 too many recipients',
    '552 Requested action aborted: exceeded storage allocation',
    '552 5.5.3 Too many recipients',
    '550 5.5.3 Too many recipients received this hour',
    '554 5.5.3 Error: recipient limit exceeded',
    '451 4.5.3 recipients count exceeded',
    '553 sorry, too many recipients in this message',
  ])
    it(`"${reply}": those that are over it go out in the next transaction, each once`, async () => {
      const { server, send } = await gateway({ script: atMost(2, reply) });
      const first = await send([A, B, C]);
      expect(first).toMatchObject({
        kind: 'partial',
        accepted: [A, B],
        refused: [{ recipient: C, temporary: true, detail: reply }],
      });
      expect(await send([C])).toMatchObject({ kind: 'sent' });
      expect(server.mails.flatMap(({ recipients }) => recipients)).toEqual([A, B, C]);
    });

  for (const [reply, final] of [
    ['552 5.2.2 Mailbox full', true],
    ['552 5.3.4 Message too big for this recipient', true],
    ['552 user over quota', true],
    ['550 5.1.1 No such user', true],
    ['450 4.2.0 Greylisted', false],
    ['452 4.2.2 Mailbox full', false],
  ] as const)
    it(`"${reply}" is about the recipient: ${final ? 'final' : 'temporary'}`, async () => {
      const { send } = await gateway({ script: at('RCPT', reply, (argument) => argument.includes('b@')) });
      expect(await send([A, B])).toMatchObject({ kind: 'partial', refused: [{ recipient: B, temporary: !final }] });
    });

  it('is read from the reply alone', () => {
    expect(isTooManyRecipients(550, '550 5.7.1 too many recipients of spam')).toBe(false);
    expect(isTooManyRecipients(552, '552-too many\n552 recipients')).toBe(true);
    expect(isTooManyRecipients(421, '421 4.5.3 closing')).toBe(true);
  });
});

interface Row {
  server: string;
  options: SmtpOptions;
  outcome: Partial<Outcome>;
  /** Mails at the server afterwards. */
  mails: number;
  problem?: RegExp;
}

const ROWS: readonly Row[] = [
  {
    server: '421 at MAIL, on every connection (overloaded)',
    options: { script: at('MAIL', '421 4.3.2 Too busy') },
    outcome: { kind: 'deferred', detail: 'MAIL FROM: 421 4.3.2 Too busy' },
    mails: 0,
    problem: /421 4\.3\.2 Too busy/,
  },
  {
    server: '421 at DATA',
    options: { script: at('DATA', '421 4.4.2 timeout') },
    outcome: { kind: 'deferred' },
    mails: 0,
    problem: /421/,
  },
  {
    server: '451 at MAIL',
    options: { script: at('MAIL', '451 4.3.0 try later') },
    outcome: { kind: 'deferred' },
    mails: 0,
  },
  {
    server: '451 at the end of the data',
    options: { script: at('dot', '451 4.7.1 Greylisted') },
    outcome: { kind: 'deferred' },
    mails: 0,
  },
  {
    server: '452 at the end of the data (disk full)',
    options: { script: at('dot', '452 4.3.1 full') },
    outcome: { kind: 'deferred' },
    mails: 0,
  },
  {
    server: '552 at the end of the data (too big): final',
    options: { script: at('dot', '552 5.3.4 too big') },
    outcome: { kind: 'rejected' },
    mails: 0,
  },
  {
    server: '554 at the end of the data (content)',
    options: { script: at('dot', '554 5.7.1 spam') },
    outcome: { kind: 'rejected' },
    mails: 0,
  },
  {
    server: '550 for the only recipient',
    options: { script: at('RCPT', '550 5.1.1 unknown') },
    outcome: { kind: 'rejected' },
    mails: 0,
  },
  {
    server: '530 at MAIL: a login is wanted, the mail is not at fault',
    options: { script: at('MAIL', '530 5.7.0 Authentication required') },
    outcome: { kind: 'deferred' },
    mails: 0,
    problem: /Authentication required/,
  },
  {
    server: 'a positive reply of several lines',
    options: { script: at('dot', '250-2.0.0 Ok\r\n250 queued as 1') },
    outcome: { kind: 'sent' },
    mails: 1,
  },
  {
    server: 'a slow 250 at the end of the data',
    options: { script: ({ point }) => (point === 'dot' ? laterReply('250 2.0.0 late') : undefined) },
    outcome: { kind: 'sent' },
    mails: 1,
  },
  { server: 'no extension at all', options: { extensions: [] }, outcome: { kind: 'sent' }, mails: 1 },
  {
    server: 'EHLO refused, HELO accepted',
    options: { script: at('EHLO', '502 5.5.1 not implemented') },
    outcome: { kind: 'sent' },
    mails: 1,
  },
  {
    server: 'a SIZE that the mail is over: final, nothing transferred',
    options: { extensions: ['SIZE 100'] },
    outcome: { kind: 'rejected' },
    mails: 0,
  },
  {
    server: 'SIZE without a number',
    options: { extensions: ['SIZE', '8BITMIME'] },
    outcome: { kind: 'sent' },
    mails: 1,
  },
  {
    server: '250 in place of 354 at DATA',
    options: { script: at('DATA', '250 ok') },
    outcome: { kind: 'sent' },
    mails: 1,
  },
];

describe('a server that answers', () => {
  for (const { server: name, options, outcome, mails, problem } of ROWS)
    it(`${name}: ${outcome.kind}`, async () => {
      const { server, send, problems } = await gateway(options);
      expect(await send([A])).toMatchObject(outcome);
      expect(server.mails).toHaveLength(mails);
      if (problem) expect(problems.get('server')).toMatch(problem);
      else expect([...problems]).toEqual([]);
    });

  it('421 for a while is shown, and no longer once it takes mail again', async () => {
    const { server, send, problems } = await gateway({ script: at('MAIL', '421 4.3.2 Too busy') });
    await send([A]);
    expect(problems.get('server')).toContain('Too busy');
    server.script = () => undefined;
    expect(await send([A])).toMatchObject({ kind: 'sent' });
    expect([...problems]).toEqual([]);
  });

  it('no connection any more is shown with the reason', async () => {
    const { server, send, problems } = await gateway({});
    await server.close();
    expect(await send([A])).toMatchObject({ kind: 'deferred' });
    expect(problems.get('server')).toMatch(/takes no mail: .*refused/);
  });
});

describe('a server that does not let the gateway in', () => {
  const login = { user: 'u', password: 'right' };
  const refused: readonly [string, SmtpOptions, Record<string, unknown>, RegExp][] = [
    ['554 as its greeting', { script: at('connect', '554 5.7.1 no service for you') }, {}, /no service for you/],
    ['421 as its greeting', { script: at('connect', '421 4.7.0 too many connections') }, {}, /too many connections/],
    ['535 at AUTH', { login }, { User: 'u', Password: 'wrong' }, /535/],
    [
      '454 at AUTH (temporary)',
      { login, script: at('AUTH', '454 4.7.0 Temporary authentication failure') },
      { User: 'u', Password: 'right' },
      /454 4\.7\.0 Temporary/,
    ],
    [
      'STARTTLS that is offered and refused',
      { extensions: ['STARTTLS'], script: at('STARTTLS', '454 4.7.0 TLS not available') },
      { Security: 'StartTls' },
      /TLS/,
    ],
    [
      'EHLO and HELO refused',
      { script: ({ point }) => (/^(?:EHLO|HELO)$/.test(point) ? '550 5.7.1 go away' : undefined) },
      {},
      /go away/,
    ],
  ];
  for (const [name, options, written, words] of refused)
    it(`${name}: it does not open, and says why`, async () => {
      await expect(gateway(options, written)).rejects.toMatchObject({ message: expect.stringMatching(words) });
    });
});
