import { describe, expect, test } from 'vitest';
import { commandInfo, dateTime, gatewayInfo, guid, login, messageContentInfo, problemsOf } from './messages.js';

const ID = '0b0e9f6e-9c1d-4a39-8f6f-0d6f2b1c3a4d';

describe('a time', () => {
  test.each([
    ['2026-11-22T10:15:30.123Z', '2026-11-22T10:15:30.123Z'],
    ['2026-11-22T10:15:30Z', '2026-11-22T10:15:30.000Z'],
    ['2026-11-22T10:15:30.1Z', '2026-11-22T10:15:30.100Z'],
    ['2026-11-22T10:15:30.1239999Z', '2026-11-22T10:15:30.123Z'],
    ['2026-11-22T10:15:30,5Z', '2026-11-22T10:15:30.500Z'],
    ['2026-11-22T10:15:30.1234567+02:00', '2026-11-22T08:15:30.123Z'],
    ['2026-11-22T10:15:30-0530', '2026-11-22T15:45:30.000Z'],
    ['2026-11-22T10:15:30+02', '2026-11-22T08:15:30.000Z'],
    ['2026-11-22T10:15:30', '2026-11-22T10:15:30.000Z'],
    ['2026-11-22 10:15:30', '2026-11-22T10:15:30.000Z'],
    ['2026-11-22t10:15:30z', '2026-11-22T10:15:30.000Z'],
    ['2026-11-22', '2026-11-22T00:00:00.000Z'],
  ])('%s is read as %s', (text, expected) => {
    expect(dateTime.parse(text)).toBe(expected);
  });

  test('may be a native timestamp', () => {
    expect(dateTime.parse(new Date(1_000))).toBe('1970-01-01T00:00:01.000Z');
  });

  test.each(['', '1', 'yesterday', 'Nov 22, 2026', '2026-13-01T00:00:00Z', '2026-11-22T25:00:00Z'])(
    '%j is refused',
    (text) => {
      expect(dateTime.safeParse(text).error?.issues[0]?.message).toBe('is not an ISO 8601 time');
    },
  );
});

test.each([ID, ID.toUpperCase(), ` {${ID}} `])('the GUID %j is read in lower case, without braces', (text) => {
  expect(guid.parse(text)).toBe(ID);
});

test.each(['', '5', ID.slice(1), `${ID}0`, 'x'.repeat(36)])('%j is no GUID', (text) => {
  expect(guid.safeParse(text).success).toBe(false);
});

describe('a message', () => {
  test('needs nothing but its gateway; unknown members are ignored', () => {
    expect(messageContentInfo.parse({ GatewayId: ID, Novelty: 1 })).toEqual({ GatewayId: ID });
  });

  test('has all its problems named', () => {
    const { error } = messageContentInfo.safeParse({ SubjectField: 5, Mark: 'x' });
    expect(error && problemsOf(error)).toMatch(/^GatewayId: .*; SubjectField: .*; Mark: /);
  });
});

test.each([
  ['true', 'true'],
  [true, 'true'],
  [false, 'false'],
  [null, null],
])('an answer with Data %j counts as %j', (sent, read) => {
  expect(commandInfo.parse({ Data: sent }).Data).toBe(read);
});

describe('a gateway', () => {
  const gateway = { Id: ID, Channel: 'Email', Direction: 'I', Device: 'DropFolder {}' };

  test.each([
    ['email', 'Email'],
    ['SMS', 'SMS'],
    ['socialmsg', 'SocialMsg'],
    [2, 'Fax'],
  ])('may write its channel as %j', (written, read) => {
    expect(gatewayInfo().parse({ ...gateway, Channel: written }).Channel).toBe(read);
  });

  test('has its channel numbers from the table of the site', () => {
    expect(gatewayInfo({ 7: 'SMS' }).parse({ ...gateway, Channel: 7 }).Channel).toBe('SMS');
    expect(gatewayInfo({ 7: 'SMS' }).safeParse({ ...gateway, Channel: 1 }).success).toBe(false);
  });

  test.each([
    ['Channel', 'Pigeon', 'Channel: is "Pigeon", not one of Email, SMS'],
    ['Channel', 99, 'Channel: is "99"'],
    ['Direction', 'X', 'Direction: is "X", not I or O'],
    ['Id', 'none', 'Id: is not a GUID'],
  ])('with a bad %s (%j) is rejected with the reason', (member, value, problem) => {
    const { error } = gatewayInfo().safeParse({ ...gateway, [member]: value });
    expect(error && problemsOf(error)).toContain(problem);
  });
});

test('a login may leave out everything but account and password', () => {
  expect(login.parse({ Account: 'a', Password: 'b' })).toEqual({ Account: 'a', Password: 'b', PeerAddress: [] });
  expect(login.safeParse({ Account: 'a' }).success).toBe(false);
});
