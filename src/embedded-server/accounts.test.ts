import { describe, expect, it, test } from 'vitest';
import { IN, mail, OTHER_IN, startFixture } from '../../test/fixtures/embedded-server.js';
import { authenticate } from './accounts.js';

const accounts = [
  { name: 'gatepost', password: 'right-one', peerAddresses: ['@gatepost'] },
  { name: 'other', password: 'other-one', peerAddresses: ['@other', '@third'] },
  { name: 'empty', password: '', peerAddresses: ['@gatepost'] },
];
const login = (Account: string, Password: string, ...PeerAddress: string[]) => ({ Account, Password, PeerAddress });

describe('who may log in', () => {
  it.each([
    ['its own address', login('gatepost', 'right-one', '@gatepost'), true],
    ['its own address in other capitals', login('gatepost', 'right-one', ' @GatePost '), true],
    ['no address at all', login('gatepost', 'right-one'), true],
    ['both of its addresses', login('other', 'other-one', '@third', '@other'), true],
    ['the address of another', login('gatepost', 'right-one', '@other'), false],
    ['its own address and one of another', login('gatepost', 'right-one', '@gatepost', '@other'), false],
    ['an empty address', login('gatepost', 'right-one', ''), false],
    ['the password of another', login('gatepost', 'other-one', '@gatepost'), false],
    ['the name in other capitals', login('Gatepost', 'right-one', '@gatepost'), false],
    ['an account without a password', login('empty', '', '@gatepost'), false],
  ])('with %s', (_what, given, ok) => expect(authenticate(given as never, accounts).ok).toBe(ok));

  it('the reason names the address and what to do, and no password', () => {
    const result = authenticate(login('gatepost', 'right-one', '@other') as never, accounts);
    expect(result).toEqual({
      ok: false,
      reason: 'the account gatepost may not serve the address @other: add it to peerAddresses of this account',
    });
  });
});

test('a login sees its own gateways only, hands in messages of its own gateways only', async () => {
  const { client, store } = await startFixture({
    peerAddresses: ['@gatepost'],
    accounts: [{ name: 'other', password: 'other-one', peerAddresses: ['@other'] }],
  });
  const foreign = await client({ PeerAddress: ['@other'] });
  expect(foreign.frames[0]?.content).toMatchObject({ Success: false });
  const own = await client();
  own.send('ES_SL_GETGATEWAYS', '@other');
  own.send('ES_SL_GETGATEWAYS', '@gatepost');
  const { content } = await own.until('SE_SL_MSGGATEWAYS');
  expect(JSON.stringify(content)).toContain(IN);
  expect(JSON.stringify(content)).not.toContain(OTHER_IN);
  own.send('ES_MESSAGE_RECEIVING', mail({ GatewayId: OTHER_IN }));
  expect((await own.until('SE_MESSAGE_RECEIVED')).content).toMatchObject({ Data: 'false' });
  const other = await client({ Account: 'other', Password: 'other-one', PeerAddress: ['@other'] });
  other.send('ES_SL_GETGATEWAYS', '@other');
  expect(JSON.stringify((await other.until('SE_SL_MSGGATEWAYS')).content)).toContain(OTHER_IN);
  expect(store.reading.count('I')).toBe(0);
});
