import { describe, expect, test } from 'vitest';
import { formatProblem, readGateways } from './gateways.js';

const ID = '11111111-2222-4333-8444-555555555555';
const OTHER = '99999999-2222-4333-8444-555555555555';
const FRESH = 'aaaaaaaa-0000-4000-8000-000000000000';

const read = (text: string) => readGateways(text, 'gateways.yaml', () => FRESH);
const problems = (text: string) => read(text).problems.map(formatProblem);

const good = (changes: Record<string, string | null> = {}) => {
  const keys: Record<string, string | null> = {
    id: ID,
    displayName: 'Info',
    channel: 'Email',
    direction: 'I',
    device: `'ImapHost { "Host": "mail.example.com" }'`,
    ...changes,
  };
  const lines = Object.entries(keys).flatMap(([key, value]) => (value === null ? [] : [`${key}: ${value}`]));
  return `- ${lines.join('\n  ')}\n`;
};

describe('the gateways file', () => {
  test('a device written as text and one written as a map give the same gateway', () => {
    const asText = read(good());
    const asMap = read(good({ device: '{ type: ImapHost, Host: mail.example.com }' }));
    expect(asText.problems).toEqual([]);
    expect(asMap.entries[0]?.info).toEqual(asText.entries[0]?.info);
    expect(asText.entries[0]?.info).toEqual({
      Id: ID,
      DisplayName: 'Info',
      Channel: 'Email',
      Direction: 'I',
      PeerAddress: '@gatepost',
      LanguageId: null,
      Device: 'ImapHost {"Host":"mail.example.com"}',
    });
  });

  test('an empty file and one of comments only have no gateways and no problem', () => {
    for (const text of ['', '# nothing yet\n', '[]\n']) {
      expect(read(text)).toMatchObject({ entries: [], problems: [], broken: false });
    }
  });

  test('every setting of a device map is found at its own line, names compared without case', () => {
    const text = `- id: ${ID}\n  displayName: Info\n  channel: Email\n  direction: I\n  device:\n    type: ImapHost\n    Host: a\n    Port: 993\n`;
    const [device] = read(text).devices;
    expect(device).toMatchObject({ type: 'ImapHost', settings: { Host: 'a', Port: 993 }, line: 1 });
    expect([device?.settingLine('host'), device?.settingLine('PORT'), device?.settingLine('User')]).toEqual([7, 8, 6]);
  });

  test('a setting inside another one is found at its own line, one that is missing there at that of the outer one', () => {
    const text = `- id: ${ID}\n  displayName: Info\n  channel: Fax\n  direction: I\n  device:\n    type: FaxMail\n    Mailbox:\n      Host: a\n      Port: x\n`;
    const [device] = read(text).devices;
    const lines = ['Mailbox.port', 'mailbox.User', 'Mailbox', 'Relay.Host'].map((name) => device?.settingLine(name));
    expect(lines).toEqual([9, 7, 7, 6]);
  });

  test('a bad entry is reported with its line and the good ones are served all the same', () => {
    const file = read(good({ id: OTHER, channel: 'Mail' }) + good());
    expect(file.entries.map(({ info }) => info.Id)).toEqual([ID]);
    expect(file.problems.map(formatProblem)).toEqual([
      'gateways.yaml:3: gateway "Info", channel: is "Mail" and must be Email, SMS or Fax',
    ]);
    expect(file.broken).toBe(false);
  });

  test('a bad GUID is answered with a fresh one', () => {
    expect(problems(good({ id: '"4711"' }))).toEqual([
      `gateways.yaml:1: gateway "Info", id: is "4711", which is not a GUID (8-4-4-4-12 hexadecimal digits); here is a fresh one: ${FRESH}`,
    ]);
  });

  test.each([
    [good({ direction: 'X' }), /:4: gateway "Info", direction: is "X" and must be I for inbound or O for outbound/],
    [good({ direction: 'B' }), /:4: .*two entries with the same id/],
    [good({ displayName: null }), /:1: gateway "1111.*", displayName: is missing/],
    [good({ device: null }), /:1: gateway "Info", device: is missing: for example/],
    [good({ device: '{ Host: a }' }), /:5: gateway "Info", device: needs a type word/],
    [
      good({ peerAdress: '"@x"' }),
      /:6: gateway "Info", peerAdress: is not a key of a gateway; did you mean "peerAddress"/,
    ],
    [good({ peerAddress: 'gatepost' }), /:6: gateway "Info", peerAddress: .*must begin with @/],
    [good({ languageId: 'cs' }), /:6: gateway "Info", languageId: is "cs", which is not a GUID/],
    [good({ channel: '[Email]' }), /:3: gateway "Info", channel: must be a text/],
    [
      good({ device: `'ImapHost { "Folder": "D:\\in" }'` }),
      /:5: .*device: is not valid JSON at column \d+: a backslash/,
    ],
    ['- just words\n', /:1: gateway "number 1": is not a map/],
    [good() + good(), /:6: gateway "Info", id: and direction I are those of the gateway in line 1 already/],
  ])('one problem with its line: %#', (text, expected) => {
    const found = problems(text);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(expected);
  });

  test('the same id in both directions is one two-way gateway, not a duplicate', () => {
    expect(read(good() + good({ direction: 'O' })).entries).toHaveLength(2);
  });

  test.each([
    [good({ peerAddress: '@gatepost' }), /:6: is not valid YAML: .*put the value in quotes/],
    [good({ displayName: '"open' }), /is not valid YAML/],
    [`${good()}  id: ${ID}\n`, /:6: is not valid YAML: Map keys must be unique/],
    ['gateways: 3\n', /:1: must be a list/],
  ])('a file that is not understood as a whole is broken: %#', (text, expected) => {
    const file = read(text);
    expect(file.broken).toBe(true);
    expect(file.entries).toEqual([]);
    expect(formatProblem(file.problems[0] ?? expect.fail('no problem'))).toMatch(expected);
  });
});
