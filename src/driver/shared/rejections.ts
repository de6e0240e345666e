import type { Log } from '../../kit/log.js';

/**
 * Logs rejected requests of strangers ever more rarely, because whoever sends one sends many: 1 to 9, 10, 20 ... 100, 200 ...
 * of one session; the others at the level debug. The metric counts all of them.
 */
export function rejectionLog(log: Pick<Log, 'warn' | 'debug'>): (fields: object, message: string) => void {
  let count = 0;
  return (fields, message) => {
    count += 1;
    const isShown = /^[1-9]0*$/.test(String(count));
    log[isShown ? 'warn' : 'debug']({ ...fields, count }, message);
  };
}
