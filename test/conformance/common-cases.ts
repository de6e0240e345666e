// Cases for every driver: its description of itself, and what holds in both directions.
import { expect, it } from 'vitest';
import {
  type ComposedMessage,
  type Content,
  type Driver,
  GatepostError,
  messageOf,
} from '../../src/driver/contract.js';
import { secretsAmong } from '../../src/driver/settings.js';
import { isLoopbackHost, restrictedNetwork } from '../../src/pipeline/gateways/policy/hosts.js';
import { waitFor } from '../fixtures/wait-for.js';
import type { Counterparty } from './counterparty.js';
import { type Fixture, openResources, type Setup } from './fixture.js';

export function describeItself<Settings, Session, In extends Content, Out extends ComposedMessage>(
  driver: Driver<Settings, Session, In, Out>,
): void {
  const { settings } = driver;

  it('describes itself in one sentence', () => {
    expect(driver.device).toMatch(/^[A-Z][A-Za-z0-9]+$/);
    expect(driver.summary).toMatch(/^[A-Z].{20,160}\.$/);
    expect(Boolean(driver.receive) || Boolean(driver.send)).toBe(true);
  });

  for (const name of settings.names) {
    it(`describes its setting ${name}, with a valid example`, () => {
      const { description, example } = settings.meta(name);
      expect(name).toMatch(/^[A-Z][A-Za-z0-9]*$/);
      expect(description).toMatch(/^[A-Z].{10,}\.$/s);
      if (settings.required(name)) expect(settings.defaultOf(name)).toBeUndefined();
      // A secret is given by reference; its value may be any text.
      const value = settings.meta(name).secret ? 'any-secret-text' : example;
      expect(settings.shape[name]?.safeParse(value)).toMatchObject({ success: true });
    });

    it(`rejects a wrong ${name} by its name`, () => {
      const parsed = settings.parse({ [name]: { not: 'a value' } });
      const problems = parsed.ok ? [] : parsed.problems;
      expect(problems).toContainEqual({ setting: name, message: expect.stringMatching(/\S{3}/) });
    });
  }

  it('rejects an unknown setting, suggesting the nearest known one, and accepts names in any capitals', () => {
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

/** The advice of the error and of what caused it. */
function causes(error: GatepostError): string {
  const cause = error.cause instanceof GatepostError ? causes(error.cause) : '';
  return `${error.advice ?? ''} ${cause}`;
}

export function eitherDirection<
  Settings,
  Session,
  C extends Counterparty,
  In extends Content,
  Out extends ComposedMessage,
>(fixture: Fixture<Settings, Session, C, In, Out>): void {
  const { driver, direction } = fixture;
  const side = direction === 'I' ? 'receiving' : 'sending';

  const checkAll = async (setup: Setup<Settings, C, In, Out>, written?: Readonly<Record<string, unknown>>) => {
    const steps = [];
    for await (const step of driver.check(setup.context(written), new AbortController().signal)) steps.push(step);
    return steps;
  };

  /** What a gateway says that may not connect: when it is opened, or, where that needs no connection, when it is checked. */
  const refusalOf = async (context: ReturnType<Setup<Settings, C, In, Out>['context']>): Promise<string> => {
    const sentence = (error: unknown) => `${messageOf(error)} ${error instanceof GatepostError ? causes(error) : ''}`;
    const session = await driver.open(context).catch(sentence);
    if (typeof session === 'string') return session;
    const steps = [];
    for await (const step of driver.check(context, new AbortController().signal)) steps.push(step);
    await driver.close(session);
    return steps.map(({ detail }) => detail).join(' ');
  };

  it(`${side}: check of a working connection gives evidence for every step and leaves nothing open`, async () => {
    const setup = await fixture.setUp();
    const before = openResources();
    const steps = await checkAll(setup);
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps)
      expect(step).toMatchObject({ ok: true, name: expect.any(String), detail: expect.stringMatching(/./) });
    await waitFor('everything that check opened to be closed', () => openResources() <= before);
  });

  it(`${side}: check of a broken connection ends with the first step that fails, and the reason`, async () => {
    const setup = await fixture.setUp();
    const steps = await checkAll(setup, setup.counterparty.unreachable);
    expect(steps.filter(({ ok }) => !ok)).toHaveLength(1);
    expect(steps.at(-1)).toMatchObject({ ok: false, detail: expect.stringMatching(/.{15}/) });
  });

  it(`rule 3: ${side}: open fails with one sentence when the counterparty cannot be used, and leaves nothing open`, async () => {
    const setup = await fixture.setUp();
    const before = openResources();
    const failure = await driver.open(setup.context(setup.counterparty.unreachable)).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(GatepostError);
    expect(messageOf(failure)).toMatch(/^[^\n]{15,300}$/);
    await waitFor('everything to be closed again', () => openResources() <= before);
    expect(setup.clock.armed).toBe(0);
  });

  it(`${side}: reaches nothing that the policy forbids, and says so`, async () => {
    const setup = await fixture.setUp();
    const context = { ...setup.context(), network: restrictedNetwork(driver.device, []) };
    // Devices without destinations wait to be connected to, or use folders.
    const hosts = driver.destinations?.(context.settings).filter(({ host }) => isLoopbackHost(host)) ?? [];
    if (hosts.length === 0) return;
    const refusal = await refusalOf(context);
    expect(refusal).toContain('is in a private network, which');
    expect(refusal).toContain('policy.hosts');
  });

  it(`rule 3: ${side}: close, twice, leaves no socket and no timer, and the gateway can be opened again`, async () => {
    const setup = await fixture.setUp();
    const before = openResources();
    for (let round = 0; round < 2; round++) {
      const session = await driver.open(setup.context());
      await driver.close(session);
      await driver.close(session);
      await waitFor('everything to be closed', () => openResources() <= before);
      expect(setup.clock.armed).toBe(0);
    }
  });

  it(`rule 4: ${side}: no secret is in errors, evidence or log`, async () => {
    const setup = await fixture.setUp();
    const { settings, unreachable } = setup.counterparty;
    const output: unknown[] = [await checkAll(setup), await checkAll(setup, unreachable)];
    await driver.open(setup.context(unreachable)).catch((error: unknown) => output.push(textsOf(error)));
    await driver.close(await driver.open(setup.context()));
    const text = JSON.stringify([output, setup.logged.lines]);
    for (const secret of secretsAmong(driver.settings, settings)) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(Buffer.from(secret).toString('base64').replace(/=+$/, ''));
    }
  });
}

function textsOf(error: unknown): string[] {
  if (!(error instanceof Error)) return [String(error)];
  const advice = error instanceof GatepostError ? [error.advice ?? ''] : [];
  return [error.message, ...advice, ...(error.cause === undefined ? [] : textsOf(error.cause))];
}
