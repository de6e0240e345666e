import { GatepostError } from '../../../kit/errors.js';
import { once } from '../../../kit/once.js';
import type { FaxComposer } from '../process/compose-task.js';

/** Loads the composer with the first fax, because its libraries are large. After a failed load the next fax tries again. */
export function lazyFaxComposer(load: () => Promise<FaxComposer>): FaxComposer {
  const loaded = once(load);
  const closing = new AbortController();
  let loading: Promise<FaxComposer> | undefined;
  return {
    async compose(sendRequest, rules, signal) {
      closing.signal.throwIfAborted();
      loading = loaded();
      return (await loading).compose(sendRequest, rules, signal);
    },
    async close() {
      closing.abort(new GatepostError('fax/closed', 'the fax composer is closed'));
      const composer = await loading?.catch(() => undefined);
      await composer?.close();
    },
  };
}
