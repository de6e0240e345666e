import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../kit/clock.js';
import { codeOf, GatepostError, messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { openJournal } from '../open.js';
import type { Journal } from '../types/journal.js';
import type { Call, Fault, Reply, Result } from './client.js';

function faultOf(error: unknown): Fault {
  const advice = error instanceof GatepostError ? error.advice : undefined;
  return { code: codeOf(error) || 'journal/failed', message: messageOf(error), advice };
}

function logTo(port: MessagePort): Log {
  const write = (level: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    const reply: Reply = { is: 'log', level, fields, message };
    port.postMessage(reply);
  };
  const log: Log = {
    trace() {},
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: () => log,
  };
  return log;
}

function serve(port: MessagePort, journal: Journal): void {
  let results: Result[] = [];
  const post = () => {
    const reply: Reply = { is: 'results', results };
    port.postMessage(reply);
    results = [];
  };
  const answer = (result: Result) => {
    if (results.length === 0) setImmediate(post);
    results.push(result);
  };
  const run = ({ id, operation, args }: Call) => {
    const done: Promise<unknown> = Reflect.apply(journal[operation], journal, args);
    done.then(
      (value) => answer({ id, value }),
      (error) => answer({ id, fault: faultOf(error) }),
    );
  };
  port.on('message', (calls: readonly Call[]) => {
    for (const call of calls) run(call);
  });
}

async function start(port: MessagePort): Promise<void> {
  const { url, options } = workerData;
  try {
    const journal = await openJournal(url, { clock: systemClock, log: logTo(port), ...options });
    serve(port, journal);
    port.postMessage({ is: 'opened' } satisfies Reply);
  } catch (error) {
    port.postMessage({ is: 'failed', fault: faultOf(error) } satisfies Reply);
  }
}

if (parentPort) await start(parentPort);
