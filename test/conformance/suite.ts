// Owns the laws every driver keeps (src/driver/contract.ts), as one suite that each driver's own conformance test runs:
// `conform` for mail, `conformText` for text messages, `conformFax` for faxes.
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
import { benchOf } from './bench.js';
import { anyDirection, describeItself } from './common.js';
import { faxWords } from './fax-words.js';
import type { FaxOffering, FaxTaking, Harness, Offering, Taking, TextOffering, TextTaking } from './harness.js';
import { receiving } from './receiving.js';
import { sending } from './sending.js';
import { mailWords, textWords, type Words } from './words.js';

export type { OfferedFax, TakenFax } from './fax-words.js';
export type {
  Counterparty,
  Cut,
  FaxCut,
  FaxOffering,
  FaxTaking,
  Harness,
  Offering,
  Taking,
  TextCut,
  TextOffering,
  TextTaking,
} from './harness.js';
export type { OfferedText, TakenText } from './words.js';

export function conform<Settings, Session, I extends Offering, O extends Taking>(
  driver: Driver<Settings, Session>,
  harness: Harness<I, O>,
): void {
  holdTo(driver, mailWords, harness);
}

export function conformText<Settings, Session, I extends TextOffering, O extends TextTaking>(
  driver: Driver<Settings, Session, TextMessage, ComposedText>,
  harness: Harness<I, O, ComposedText>,
): void {
  holdTo(driver, textWords, harness);
}

export function conformFax<Settings, Session, I extends FaxOffering, O extends FaxTaking>(
  driver: Driver<Settings, Session, FaxDocument, ComposedFax>,
  harness: Harness<I, O, ComposedFax>,
): void {
  holdTo(driver, faxWords, harness);
}

function holdTo<
  Settings,
  Session,
  In extends Content,
  Out extends ComposedMessage,
  Offered,
  Taken,
  I extends Offering<Offered>,
  O extends Taking<Taken>,
>(
  driver: Driver<Settings, Session, In, Out>,
  words: Words<In, Out, Offered, Taken>,
  harness: Harness<I, O, Out>,
): void {
  const why = harness.missing ? ` (skipped: ${harness.missing})` : '';
  describe.runIf(!harness.missing)(`${driver.device} keeps the laws of drivers${why}`, () => {
    describeItself(driver);
    if (harness.offering) {
      const bench = benchOf(driver, 'I', harness.offering);
      anyDirection(bench);
      receiving(bench, words);
    }
    if (harness.taking) {
      const bench = benchOf(driver, 'O', harness.taking);
      anyDirection(bench);
      sending(bench, words, harness.cuts ?? []);
    }
    it('is tried in every direction it can', () => {
      expect([Boolean(harness.offering), Boolean(harness.taking)]).toEqual([
        Boolean(driver.receive),
        Boolean(driver.send),
      ]);
    });
  });
}
