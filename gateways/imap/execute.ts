// Commands that the library has no call for, or would send in another form: its general command method.
import type { Connection } from './connection.js';

/** Gets the attributes of one untagged answer. */
export type Untagged = (answer: { attributes?: { value?: unknown }[] }) => Promise<void>;

interface Execution {
  values?: readonly string[];
  untagged?: Readonly<Record<string, Untagged>>;
}

/** Throws Refused where the server answers NO or BAD. */
export async function execute(
  connection: Connection,
  what: string,
  command: string,
  { values = [], untagged = {} }: Execution = {},
): Promise<void> {
  const exec: unknown = Reflect.get(connection.client, 'exec');
  if (typeof exec !== 'function') throw new Error('the IMAP library has no general command method');
  const attributes = values.length > 0 && values.map((value) => ({ type: 'STRING', value }));
  const done: { next?: () => void } = await connection.ask(what, () =>
    Reflect.apply(exec, connection.client, [command, attributes, { untagged }]),
  );
  done.next?.();
}
