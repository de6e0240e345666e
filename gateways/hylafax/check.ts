// Owns "test connection" of HylaFAX: the server, the login, the rights, the modems, the queue that is needed. Reads only.
import { type CheckStep, deadline, type GatewayContext } from '../../src/driver/contract.js';
import { readCalls } from './calls.js';
import { count, listJobs } from './jobs.js';
import { listReceived } from './recvq.js';
import { modemName, type Settings } from './settings.js';
import { connectTo, type Talk } from './talk.js';
import { reasonOf } from './words.js';

/** Ms within which the whole test is done. */
const CHECK_MS = 60_000;

interface Step {
  readonly name: string;
  readonly work: () => Promise<string>;
  readonly advice: string;
}

export async function* check(context: GatewayContext<Settings>, signal: AbortSignal): AsyncGenerator<CheckStep> {
  const due = deadline(context.clock, CHECK_MS, signal);
  let talk: Talk | undefined;
  const { Host, Port } = context.settings;
  const connect: Step = {
    name: `Connection to ${Host}:${Port}`,
    advice: 'check Host and Port, whether hfaxd runs there, and whether a firewall is in between',
    work: async () => {
      talk = await connectTo(context, due.signal);
      return talk.banner;
    },
  };
  try {
    let ok = yield* take(connect);
    for (const step of talk && ok ? stepsFor(context, talk) : []) if (ok) ok = yield* take(step);
  } finally {
    talk?.close();
    due.dispose();
  }
}

async function* take({ name, work, advice }: Step): AsyncGenerator<CheckStep, boolean> {
  const step = await work().then(
    (detail) => ({ name, ok: true, detail }),
    (error) => ({ name, ok: false, detail: `${reasonOf(error)}; ${advice}` }),
  );
  yield step;
  return step.ok;
}

function stepsFor({ settings, gateway }: GatewayContext<Settings>, talk: Talk): Step[] {
  const { User, AdminPassword, AfterReceive, Modem } = settings;
  const receiving = gateway.direction === 'I';
  const steps: Step[] = [
    {
      name: `Login as ${User}`,
      work: async () => {
        await talk.login();
        return 'is let in';
      },
      advice: 'check User and Password against the file hosts.hfaxd of the server',
    },
  ];
  if (AdminPassword !== undefined || (receiving && AfterReceive === 'Delete'))
    steps.push({
      name: 'Administrator rights',
      work: async () => {
        await talk.admin();
        return 'are given';
      },
      advice:
        'check AdminPassword against the file hosts.hfaxd of the server, or set AfterReceive to "Keep" and leave it out',
    });
  steps.push({
    name: Modem === undefined ? 'Modems' : `Modem ${Modem}`,
    work: () => modems(talk, settings, receiving),
    advice: 'check Modem, and the state of HylaFAX with "faxstat" on the server',
  });
  steps.push(receiving ? receivedStep(talk, settings) : queueStep(talk));
  return steps;
}

async function modems(talk: Talk, { Modem }: Settings, receiving: boolean): Promise<string> {
  await talk.ask('MDMFMT "#M|%m|%s"');
  const lines = await talk.list('LIST status');
  const found = lines.flatMap((line) => {
    const [, name = '', state = ''] = /^#M\|([^|]*)\|(.*)$/.exec(line) ?? [];
    return name === '' ? [] : [{ name: modemName(name), state }];
  });
  // The first line is about the scheduler: "HylaFAX scheduler on host: Running".
  const scheduler = /scheduler on [^:]*: (.*)$/.exec(lines[0] ?? '')?.[1]?.trim() ?? 'unknown';
  if (/not running/i.test(scheduler)) throw new Error(`the scheduler of HylaFAX (faxq) is ${scheduler.toLowerCase()}`);
  const named = found.map(({ name, state }) => `${name}: ${state}`).join('; ');
  if (Modem === undefined) return named || 'none is known to the server; the scheduler is running';
  const ours = found.find(({ name }) => name === modemName(Modem));
  if (ours) return ours.state || 'is known to the server';
  const others = found.length > 0 ? found.map(({ name }) => name).join(', ') : 'none at all';
  if (receiving) throw new Error(`the server knows no modem ${Modem}, but ${others}`);
  return `is no modem of the server (${others}), so it is taken for a class of modems`;
}

function receivedStep(talk: Talk, { Modem, AdminPassword }: Settings): Step {
  return {
    name: 'Received faxes',
    work: async () => {
      const { length } = await listReceived(talk);
      const calls = await readCalls(talk);
      if (!calls && Modem !== undefined)
        throw new Error('the log of calls (xferfaxlog), which tells which modem received a fax, cannot be read');
      // hfaxd does not say that it hides any.
      const hidden =
        AdminPassword === undefined
          ? ", as far as they are shown without AdminPassword (with RecvFileMode 0600, HylaFAX's own default, none is)"
          : '';
      const log = calls ? '' : '; the log of calls cannot be read, so nobody will know why a reception broke off';
      return `${length} ${length === 1 ? 'fax' : 'faxes'} in recvq${hidden}${log}`;
    },
    advice: 'give the AdminPassword, or the user the right to read them',
  };
}

function queueStep(talk: Talk): Step {
  return {
    name: 'Queue',
    work: async () => `${count((await listJobs(talk)).size, 'job')} waiting or ended`,
    advice: 'give the user the right to see jobs (PublicJobQ and JobProtection in hfaxd.conf)',
  };
}
