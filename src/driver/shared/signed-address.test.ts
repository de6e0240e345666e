import { describe, expect, test } from 'vitest';
import { isSignedAddress, signedAddresses } from './signed-address.js';

const ID = 'abcdef01-2345-4789-8abc-abcdef012345';

describe('the address that a counterparty signed', () => {
  const canonical = `https://g.example.com/gate/webhooks/${ID}`;
  test.each([
    [canonical, canonical],
    [canonical, `https://g.example.com/gate/webhooks/${ID.toUpperCase()}`],
    [`https://g.example.com/gate/webhooks/${ID.toUpperCase()}`, canonical],
    [canonical, `${canonical}/`],
    [`${canonical}/`, canonical],
    [canonical, `https://g.example.com:443/gate/webhooks/${ID}`],
    [`http://g.example.com:80/webhooks/${ID}`, `http://g.example.com/webhooks/${ID}`],
    [`${canonical}/status?a=B&c=%20`, `${canonical.replace(ID, ID.toUpperCase())}/status?a=B&c=%20`],
    [`${canonical}?a=b`, `${canonical}/?a=b`],
    [`https://g.example.com//webhooks/${ID}`, `https://g.example.com//webhooks/${ID}`],
  ])('%s is recognised in %s', (received, signed) =>
    expect(isSignedAddress(received, (address) => address === signed)).toBe(true),
  );

  test.each([
    `https://g.example.com/gate/webhooks/${ID.replace('a', 'b')}`,
    `https://g.example.com:444/gate/webhooks/${ID}`,
    `http://g.example.com/gate/webhooks/${ID}`,
    `https://other.example.com/gate/webhooks/${ID}`,
    `${canonical}/status`,
    `${canonical}?a=b`,
  ])('%s is another address', (signed) =>
    expect(isSignedAddress(canonical, (address) => address === signed)).toBe(false),
  );

  test('has a bounded number of spellings', () => {
    expect(signedAddresses(`${canonical}///?${'x'.repeat(1000)}`).length).toBeLessThanOrEqual(18);
  });
});
