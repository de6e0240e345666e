import { type CheckStep, deadline, type GatewayContext } from '../../src/driver/contract.js';
import { connectClient, type HfaxdClient } from './hfaxd-client.js';
import { listJobs } from './job-list.js';
import { count, reasonOf } from './protocol-text.js';
import { listReceived } from './recvq.js';
import { modemName, type Settings } from './settings.js';
import { readCalls } from './xferfaxlog.js';

/** Time for the whole test, ms. */
const CHECK_MS = 60_000;
/** Characters of the line about the scheduler. */
const LONGEST_STATUS = 500;

interface Step {
  readonly name: string;
  readonly work: () => Promise<string>;
  readonly advice: string;
}

export async function* check(context: GatewayContext<Settings>, signal: AbortSignal): AsyncGenerator<CheckStep> {
  const due = deadline(context.clock, CHECK_MS, signal);
  let client: HfaxdClient | undefined;
  const { Host, Port } = context.settings;
  const connect: Step = {
    name: `Connection to ${Host}:${Port}`,
    advice: 'check Host and Port, whether hfaxd runs there, and whether a firewall is in between',
    work: async () => {
      client = await connectClient(context, due.signal);
      return client.banner;
    },
  };
  try {
    let ok = yield* run(connect);
    for (const step of client && ok ? stepsFor(context, client) : []) if (ok) ok = yield* run(step);
  } finally {
    client?.close();
    due.dispose();
  }
}

async function* run({ name, work, advice }: Step): AsyncGenerator<CheckStep, boolean> {
  const step = await work().then(
    (detail) => ({ name, ok: true, detail }),
    (error) => ({ name, ok: false, detail: `${reasonOf(error)}; ${advice}` }),
  );
  yield step;
  return step.ok;
}

function stepsFor({ settings, gateway }: GatewayContext<Settings>, client: HfaxdClient): Step[] {
  const { User, AdminPassword, AfterReceive, Modem } = settings;
  const receiving = gateway.direction === 'I';
  const steps: Step[] = [
    {
      name: `Login as ${User}`,
      work: async () => {
        await client.login();
        return 'accepted';
      },
      advice: 'check User and Password against the file hosts.hfaxd of the server',
    },
  ];
  if (AdminPassword !== undefined || (receiving && AfterReceive === 'Delete'))
    steps.push({
      name: 'Administrator rights',
      work: async () => {
        await client.admin();
        return 'granted';
      },
      advice:
        'check AdminPassword against the file hosts.hfaxd of the server, or set AfterReceive to "Keep" and leave it out',
    });
  steps.push({
    name: Modem === undefined ? 'Modems' : `Modem ${Modem}`,
    work: () => modems(client, settings, receiving),
    advice: 'check Modem, and the state of HylaFAX with "faxstat" on the server',
  });
  steps.push(receiving ? receivedStep(client, settings) : queueStep(client));
  return steps;
}

async function modems(client: HfaxdClient, { Modem }: Settings, receiving: boolean): Promise<string> {
  await client.ask('MDMFMT "#M|%m|%s"');
  const lines = await client.list('LIST status');
  const found = lines.flatMap((line) => {
    const [, name = '', state = ''] = /^#M\|([^|]*)\|(.*)$/.exec(line) ?? [];
    return name === '' ? [] : [{ name: modemName(name), state }];
  });
  // The first line is about the scheduler: "HylaFAX scheduler on host: Running".
  const scheduler =
    /scheduler on [^:]*: (.*)$/.exec((lines[0] ?? '').slice(0, LONGEST_STATUS))?.[1]?.trim() ?? 'unknown';
  if (/not running/i.test(scheduler)) throw new Error(`the scheduler of HylaFAX (faxq) is ${scheduler.toLowerCase()}`);
  const named = found.map(({ name, state }) => `${name}: ${state}`).join('; ');
  if (Modem === undefined) return named || 'the server has no modem; the scheduler is running';
  const ours = found.find(({ name }) => name === modemName(Modem));
  if (ours) return ours.state || 'the server has this modem';
  const others = found.length > 0 ? found.map(({ name }) => name).join(', ') : 'none';
  if (receiving) throw new Error(`the server has no modem ${Modem}; its modems: ${others}`);
  return `not a modem of the server (its modems: ${others}), so it is used as a class of modems`;
}

function receivedStep(client: HfaxdClient, { Modem, AdminPassword }: Settings): Step {
  return {
    name: 'Received faxes',
    work: async () => {
      const { length } = await listReceived(client);
      const calls = await readCalls(client);
      if (!calls && Modem !== undefined)
        throw new Error('the log of calls (xferfaxlog), which shows the modem of each fax, cannot be read');
      // hfaxd hides protected files without saying so.
      const hidden =
        AdminPassword === undefined
          ? ' that are visible without AdminPassword (with RecvFileMode 0600, the default of HylaFAX, none is)'
          : '';
      const log = calls
        ? ''
        : '; the log of calls cannot be read, so the reason of an interrupted reception will not be known';
      return `${length} ${length === 1 ? 'fax' : 'faxes'} in recvq${hidden}${log}`;
    },
    advice: 'give the AdminPassword, or the user the right to read them',
  };
}

function queueStep(client: HfaxdClient): Step {
  return {
    name: 'Queue',
    work: async () => `${count((await listJobs(client)).size, 'job')} waiting or ended`,
    advice: 'give the user the right to see jobs (PublicJobQ and JobProtection in hfaxd.conf)',
  };
}
