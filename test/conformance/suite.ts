// Owns the laws every driver keeps (src/driver/contract.ts), as one suite that each driver's own conformance test runs.
import { describe, expect, it } from 'vitest';
import type { Driver } from '../../src/driver/contract.js';
import { benchOf } from './bench.js';
import { anyDirection, describeItself } from './common.js';
import type { Harness, Offering, Taking } from './harness.js';
import { receiving } from './receiving.js';
import { sending } from './sending.js';

export type { Counterparty, Cut, Harness, Offering, Taking } from './harness.js';

export function conform<Settings, Session, In extends Offering, Out extends Taking>(
  driver: Driver<Settings, Session>,
  harness: Harness<In, Out>,
): void {
  const why = harness.missing ? ` (skipped: ${harness.missing})` : '';
  describe.runIf(!harness.missing)(`${driver.device} keeps the laws of drivers${why}`, () => {
    describeItself(driver);
    if (harness.offering) {
      const bench = benchOf(driver, 'I', harness.offering);
      anyDirection(bench);
      receiving(bench);
    }
    if (harness.taking) {
      const bench = benchOf(driver, 'O', harness.taking);
      anyDirection(bench);
      sending(bench, harness.cuts ?? []);
    }
    it('is tried in every direction it can', () => {
      expect([Boolean(harness.offering), Boolean(harness.taking)]).toEqual([
        Boolean(driver.receive),
        Boolean(driver.send),
      ]);
    });
  });
}
