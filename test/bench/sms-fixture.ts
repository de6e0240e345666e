// The fixture of the measurements of text messages: the SMSC as a process, near or far, and the product beside it.
import { z } from 'zod';
import type { closers } from '../../src/kit/closers.js';
import { startProxy } from '../servers/proxy.js';
import { type BenchFixture, gateway, IN, OUT, type Stub, startStub } from './bench-fixture.js';
import type { Child } from './child.js';
import { within } from './limit.js';
import { accountOf, type SmscCommand, type SmscReport, smscReport } from './smsc-words.js';

/** submit_sm, or deliver_sm, unanswered at any time. */
export const WINDOW = 50;

export type Stack = ReturnType<typeof closers>;

export interface Smsc {
  readonly port: number;
  /** The next bind. */
  bound(): Promise<unknown>;
  /** submit_sm so far. */
  submits(): Promise<number>;
  deliver(what: 'texts' | 'parts', first: number, count: number): Promise<{ ms: number; refused: number }>;
}

/** `roundTripMs`: added to every round trip. */
export async function startSmsc(fixture: BenchFixture, stack: Stack, roundTripMs = 0): Promise<Smsc> {
  const child = fixture.start('smsc');
  stack.add('smsc', () => child.stop());
  const receive = <Kind extends SmscReport['is']>(kind: Kind) =>
    child.receive(
      z.custom<Extract<SmscReport, { is: Kind }>>((message) => {
        const said = smscReport.safeParse(message);
        return said.success && said.data.is === kind;
      }),
    );
  const tell = (command: SmscCommand) => child.tell(command);
  const { port } = await receive('listening');
  return {
    port: await far(port, roundTripMs, stack),
    bound: () => receive('bound'),
    async submits() {
      const counted = receive('counted');
      tell({ do: 'count' });
      return (await counted).submits;
    },
    deliver(what, first, count) {
      const delivered = receive('delivered');
      tell({ do: 'deliver', what, first, count, window: WINDOW });
      return delivered;
    },
  };
}

async function far(port: number, roundTripMs: number, stack: Stack): Promise<number> {
  if (roundTripMs === 0) return port;
  const proxy = await startProxy({ port, delay: roundTripMs / 2 });
  stack.add('proxy', () => proxy.close());
  return proxy.port;
}

/** The product with one gateway of the SMSC's account; bound when this resolves. */
export async function startOurs(
  fixture: BenchFixture,
  direction: 'I' | 'O',
  smsc: Smsc,
  stack: Stack,
): Promise<{ child: Child; stub: Stub }> {
  const stub = await startStub(fixture);
  stack.add('stub', () => stub.stop());
  const asked = stub.receive('asked');
  const child = fixture.startGatepost(`smpp-${direction}`, stub.port);
  stack.add('gatepost', () => child.stop());
  await within('the login at the stub', child.during(asked), 60_000);
  const bound = smsc.bound();
  const settings = accountOf(direction, smsc.port, WINDOW);
  stub.tell({ do: 'go', gateways: [gateway(direction === 'I' ? IN : OUT, direction, 'Smpp', settings, 'SMS')] });
  await within('the bind', child.during(bound), 60_000);
  return { child, stub };
}
