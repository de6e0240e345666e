// Owns the cases that hold for every driver: what it says about itself, and what holds whichever way mails go.
import { expect, it } from 'vitest';
import {
  type ComposedMessage,
  type Content,
  type Driver,
  GatepostError,
  messageOf,
} from '../../src/driver/contract.js';
import { secretsAmong } from '../../src/driver/settings.js';
import { waitFor } from '../fixtures/wait-for.js';
import { type Bench, openThings, type Table } from './bench.js';
import type { Counterparty } from './harness.js';

export function describeItself<Settings, Session, In extends Content, Out extends ComposedMessage>(
  driver: Driver<Settings, Session, In, Out>,
): void {
  const { settings } = driver;

  it('says what it is in one sentence', () => {
    expect(driver.device).toMatch(/^[A-Z][A-Za-z0-9]+$/);
    expect(driver.summary).toMatch(/^[A-Z].{20,160}\.$/);
    expect(Boolean(driver.receive) || Boolean(driver.send)).toBe(true);
  });

  for (const name of settings.names) {
    it(`explains its setting ${name}, with a default or mandatory, and an example that is right`, () => {
      const { description, example } = settings.meta(name);
      expect(name).toMatch(/^[A-Z][A-Za-z0-9]*$/);
      expect(description).toMatch(/^[A-Z].{10,}\.$/s);
      if (settings.required(name)) expect(settings.defaultOf(name)).toBeUndefined();
      // A secret is given by reference; what it stands for is any text.
      const value = settings.meta(name).secret ? 'any-secret-text' : example;
      expect(settings.shape[name]?.safeParse(value)).toMatchObject({ success: true });
    });

    it(`refuses a wrong ${name} by its name`, () => {
      const parsed = settings.parse({ [name]: { not: 'a value' } });
      const problems = parsed.ok ? [] : parsed.problems;
      expect(problems).toContainEqual({ setting: name, message: expect.stringMatching(/\S{3}/) });
    });
  }

  it('refuses an unknown setting with the nearest known one, and takes names in any capitals', () => {
    const [name = ''] = settings.names;
    const mistyped = `${name}x`;
    const parsed = settings.parse({ [mistyped]: 1 });
    expect(parsed).toMatchObject({ ok: false });
    expect(parsed.ok ? [] : parsed.problems).toContainEqual({
      setting: mistyped,
      message: expect.stringContaining(`did you mean "${name}"`),
    });
    const lower = settings.parse({ [name.toLowerCase()]: settings.meta(name).example });
    expect(lower.ok ? [] : lower.problems.map(({ setting }) => setting.toLowerCase())).not.toContain(
      name.toLowerCase(),
    );
  });
}

export function anyDirection<
  Settings,
  Session,
  C extends Counterparty,
  In extends Content,
  Out extends ComposedMessage,
>(bench: Bench<Settings, Session, C, In, Out>): void {
  const { driver, direction } = bench;
  const side = direction === 'I' ? 'receiving' : 'sending';

  const checkAll = async (table: Table<Settings, C, In, Out>, written?: Readonly<Record<string, unknown>>) => {
    const steps = [];
    for await (const step of driver.check(table.context(written), new AbortController().signal)) steps.push(step);
    return steps;
  };

  it(`${side}: the test of a good connection gives evidence for every step and leaves nothing behind`, async () => {
    const table = await bench.set();
    const before = openThings();
    const steps = await checkAll(table);
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps)
      expect(step).toMatchObject({ ok: true, name: expect.any(String), detail: expect.stringMatching(/./) });
    await waitFor('everything the test opened to be closed', () => openThings() <= before);
  });

  it(`${side}: the test of a bad connection ends with the first step that fails, and says why`, async () => {
    const table = await bench.set();
    const steps = await checkAll(table, table.counterparty.unreachable);
    expect(steps.filter(({ ok }) => !ok)).toHaveLength(1);
    expect(steps.at(-1)).toMatchObject({ ok: false, detail: expect.stringMatching(/.{15}/) });
  });

  it(`${side}: a counterparty that cannot be used is one clear sentence, and nothing stays open`, async () => {
    const table = await bench.set();
    const before = openThings();
    const failure = await driver.open(table.context(table.counterparty.unreachable)).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(GatepostError);
    expect(messageOf(failure)).toMatch(/^[^\n]{15,300}$/);
    await waitFor('everything to be closed again', () => openThings() <= before);
    expect(table.clock.armed).toBe(0);
  });

  it(`${side}: close, twice, leaves no socket and no timer; and the gateway can be opened again`, async () => {
    const table = await bench.set();
    const before = openThings();
    for (let round = 0; round < 2; round++) {
      const session = await driver.open(table.context());
      await driver.close(session);
      await driver.close(session);
      await waitFor('everything to be closed', () => openThings() <= before);
      expect(table.clock.armed).toBe(0);
    }
  });

  it(`${side}: no secret is ever said, neither in errors nor in evidence nor in the log`, async () => {
    const table = await bench.set();
    const { settings, unreachable } = table.counterparty;
    const said: unknown[] = [await checkAll(table), await checkAll(table, unreachable)];
    await driver.open(table.context(unreachable)).catch((error: unknown) => said.push(allWordsOf(error)));
    await driver.close(await driver.open(table.context()));
    const text = JSON.stringify([said, table.said.lines]);
    for (const secret of secretsAmong(driver.settings, settings)) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(Buffer.from(secret).toString('base64').replace(/=+$/, ''));
    }
  });
}

function allWordsOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)];
  const advice = error instanceof GatepostError ? [error.advice ?? ''] : [];
  return [error.message, ...advice, ...(error.cause === undefined ? [] : allWordsOf(error.cause))];
}
