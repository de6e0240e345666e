// Questions for the list of gateways and their answers, which carry no address.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gateway } from '../../../test/fixtures/connector.js';
import { type ManualClock, manualClock } from '../../../test/fixtures/manual-clock.js';
import { type Deferred, deferred } from '../../kit/deferred.js';
import { silentLog } from '../../kit/log.js';
import type { GatewayInfo } from '../../model/message.js';
import { DEFAULT_CHANNEL_TABLE } from '../../simprot/messages.js';
import { type GatewaySync, gatewaySync } from './sync.js';

const A = '11111111-1111-4111-8111-11111111111a';
const B = '11111111-1111-4111-8111-11111111111b';
const entry = (id: string, address?: string): GatewayInfo => ({ ...gateway(id, 'I', 'Test {}'), PeerAddress: address });

let clock: ManualClock;
let asked: string[];
let applied: string[][];
let resets: number;
let invalidated: number;
let applying: Deferred<void> | undefined;
let sync: GatewaySync;

function start(peerAddresses = ['@a', '@b']): void {
  const serverLink = {
    up: true,
    untilUp: async () => {},
    send: async (_code: string, address: unknown) => void asked.push(String(address)),
    reset: () => void resets++,
  };
  const gateways = {
    async apply(list: readonly GatewayInfo[]) {
      applied.push(list.map(({ Id }) => Id));
      await applying?.promise;
    },
    invalidateList: () => void invalidated++,
  };
  sync = gatewaySync({
    clock,
    log: silentLog,
    serverLink,
    gateways,
    channels: DEFAULT_CHANNEL_TABLE,
    peerAddresses,
    refreshMs: 60_000,
  });
}

/** Answers the last question, and lets what follows from the answer happen. */
async function answer(...list: GatewayInfo[]): Promise<void> {
  sync.onList(list);
  await clock.advance(0);
}

beforeEach(() => {
  clock = manualClock();
  [asked, applied, resets, invalidated, applying] = [[], [], 0, 0, undefined];
});
afterEach(() => sync.stop());

describe('the list of gateways of two addresses', () => {
  it('is applied once both are answered, asked one after the other', async () => {
    start();
    await clock.advance(0);
    expect(asked).toEqual(['@a']);
    await answer(entry(A));
    expect([asked, applied, sync.listed]).toEqual([['@a', '@b'], [], false]);
    await answer(entry(B));
    expect([applied, sync.listed]).toEqual([[[A, B]], true]);
  });

  it('a late answer for the first is never taken for the second', async () => {
    start();
    await clock.advance(0);
    // The first question is not answered in 30 s; it is asked again, and then both answers come.
    await clock.advance(35_000);
    expect(asked).toEqual(['@a', '@a']);
    await answer(entry(A));
    expect(asked).toEqual(['@a', '@a']);
    await answer(entry(A));
    expect(asked).toEqual(['@a', '@a', '@b']);
    await answer(entry(B));
    expect(applied).toEqual([[A, B]]);
  });

  it('an answer that stays out ends the connection, and nothing is asked on it any more', async () => {
    start();
    await clock.advance(35_000);
    await answer(entry(A));
    await clock.advance(30_000);
    expect(resets).toBe(1);
    expect(asked).toEqual(['@a', '@a']);
    sync.disconnected();
    sync.connected();
    await clock.advance(5_000);
    expect(asked).toEqual(['@a', '@a', '@a']);
    await answer(entry(A));
    await answer(entry(B));
    expect(applied).toEqual([[A, B]]);
  });

  it('needs answers of one connection: what an earlier one answered does not count', async () => {
    start();
    await clock.advance(0);
    await answer(entry(A));
    sync.disconnected();
    expect(invalidated).toBe(1);
    await clock.advance(5_000);
    expect(asked).toEqual(['@a', '@b', '@a']);
    await answer();
    await answer(entry(B));
    expect(applied).toEqual([[B]]);
  });

  it('an answer whose entries name the other address is not used', async () => {
    start();
    await clock.advance(0);
    await answer(entry(B, '@B'));
    expect([asked, applied]).toEqual([['@a'], []]);
    await clock.advance(5_000);
    await answer(entry(A, '@A'));
    await answer(entry(B, '@b'));
    expect(applied).toEqual([[A, B]]);
  });

  it('an answer whose entries name an address of nobody here is used', async () => {
    start();
    await clock.advance(0);
    await answer(entry(A, '@elsewhere'));
    await answer(entry(B));
    expect(applied).toEqual([[A, B]]);
  });
});

describe('the list of gateways of one address', () => {
  it('that nobody asked for makes it ask', async () => {
    start(['@a']);
    await clock.advance(0);
    await answer(entry(A));
    await answer(entry(B));
    expect([asked, applied]).toEqual([['@a', '@a'], [[A]]]);
  });

  it('that is no list is not used, and the next one is', async () => {
    start(['@a']);
    await clock.advance(0);
    sync.onList({ not: 'a list' });
    await clock.advance(5_000);
    await answer(entry(A));
    expect(applied).toEqual([[A]]);
  });

  it('does not hold up the stop while it is being applied', async () => {
    start(['@a']);
    await clock.advance(0);
    applying = deferred();
    await answer(entry(A));
    await sync.stop();
    applying.resolve();
  });
});
