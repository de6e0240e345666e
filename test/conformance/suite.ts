// The rules of src/driver/contract.ts as one suite that each driver's own conformance test runs: `conform` for mail,
// `conformText` for text messages, `conformFax` for faxes. A case that belongs to a rule names it; a case that a driver or
// its counterparty cannot run is reported as skipped, with the reason.
import { describe, expect, it } from 'vitest';
import type {
  ComposedFax,
  ComposedMessage,
  ComposedText,
  Content,
  Driver,
  FaxDocument,
  TextMessage,
} from '../../src/driver/contract.js';
import { describeItself, eitherDirection } from './common-cases.js';
import type {
  FaxInboundCounterparty,
  FaxOutboundCounterparty,
  Harness,
  InboundCounterparty,
  OutboundCounterparty,
  TextInboundCounterparty,
  TextOutboundCounterparty,
} from './counterparty.js';
import { faxSamples } from './fax-samples.js';
import { fixtureOf } from './fixture.js';
import { inboundCases } from './inbound-cases.js';
import { outboundCases } from './outbound-cases.js';
import { mailSamples, type Samples, textSamples } from './samples.js';

export type {
  Cut,
  FaxCut,
  FaxInboundCounterparty,
  FaxOutboundCounterparty,
  Harness,
  InboundCounterparty,
  OutboundCounterparty,
  TextCut,
  TextInboundCounterparty,
  TextOutboundCounterparty,
} from './counterparty.js';

export function conform<Settings, Session, I extends InboundCounterparty, O extends OutboundCounterparty>(
  driver: Driver<Settings, Session>,
  harness: Harness<I, O>,
): void {
  holdTo(driver, mailSamples, harness);
}

export function conformText<Settings, Session, I extends TextInboundCounterparty, O extends TextOutboundCounterparty>(
  driver: Driver<Settings, Session, TextMessage, ComposedText>,
  harness: Harness<I, O, ComposedText>,
): void {
  holdTo(driver, textSamples, harness);
}

export function conformFax<Settings, Session, I extends FaxInboundCounterparty, O extends FaxOutboundCounterparty>(
  driver: Driver<Settings, Session, FaxDocument, ComposedFax>,
  harness: Harness<I, O, ComposedFax>,
): void {
  holdTo(driver, faxSamples, harness);
}

function holdTo<
  Settings,
  Session,
  In extends Content,
  Out extends ComposedMessage,
  Offered,
  Delivered,
  I extends InboundCounterparty<Offered>,
  O extends OutboundCounterparty<Delivered>,
>(
  driver: Driver<Settings, Session, In, Out>,
  samples: Samples<In, Out, Offered, Delivered>,
  harness: Harness<I, O, Out>,
): void {
  const { device } = driver;
  describe(`${device} keeps the rules of the driver contract`, () => {
    describeItself(driver);
    it('is tested in every direction that it has', () => {
      expect([Boolean(harness.inbound), Boolean(harness.outbound)]).toEqual([
        Boolean(driver.receive),
        Boolean(driver.send),
      ]);
    });
    unless(harness.inbound ? harness.missing : `${device} does not receive`, 'receiving', () => {
      const fixture = fixtureOf(driver, 'I', harness.inbound);
      eitherDirection(fixture);
      inboundCases(fixture, samples);
    });
    unless(harness.outbound ? harness.missing : `${device} does not send`, 'sending', () => {
      const fixture = fixtureOf(driver, 'O', harness.outbound);
      eitherDirection(fixture);
      outboundCases(fixture, samples, harness.cuts ?? []);
    });
  });
}

/** Skipped cases stay in the report, under the reason. */
function unless(reason: string | undefined, title: string, cases: () => void): void {
  describe.skipIf(reason !== undefined)(reason === undefined ? title : `${title} (skipped: ${reason})`, cases);
}
