// The SQL layer: statements are written once with kysely and compiled once per database. It knows no particular database.
import { type Compilable, type Expression, type Kysely, sql } from 'kysely';
import type { Tables } from './tables.js';

/** A value that a column takes or gives. Times are ms since the epoch, JSON is text. */
export type Value = string | number | null;

/** Where a parameter goes in a statement: `slot('key')`. */
export type Slots<Params> = <Name extends keyof Params & string>(name: Name) => Expression<Params[Name]>;

type Builder = Kysely<Tables>;

/** A statement whose parameters are filled in at every run. */
export interface Statement<Params, Row> {
  readonly build: (db: Builder, slot: Slots<Params>) => Compilable<Row>;
}

/** A statement over a list of any length: it runs once per `LIST_SIZES` piece. */
export interface ListStatement<Params, Item, Row> {
  readonly buildList: (db: Builder, slot: Slots<Params>, items: Expression<Item>[]) => Compilable<Row>;
}

/** `statement<{ key: string }>()((db, slot) => db.selectFrom('inbound_messages').where('key', '=', slot('key')))` */
export function statement<Params extends object>() {
  return <Row>(build: Statement<Params, Row>['build']): Statement<Params, Row> => ({ build });
}

export function listStatement<Params extends object, Item extends Value>() {
  return <Row>(buildList: ListStatement<Params, Item, Row>['buildList']): ListStatement<Params, Item, Row> => ({
    buildList,
  });
}

/** What an operation may do inside its transaction. */
export interface Sql {
  all<Params extends object, Row>(statement: Statement<Params, Row>, params: Params): Promise<Row[]>;
  first<Params extends object, Row>(statement: Statement<Params, Row>, params: Params): Promise<Row | undefined>;
  /** Returns the number of rows changed. */
  run<Params extends object>(statement: Statement<Params, unknown>, params: Params): Promise<number>;
  allOf<Params extends object, Item extends Value, Row>(
    statement: ListStatement<Params, Item, Row>,
    params: Params,
    items: readonly Item[],
  ): Promise<Row[]>;
}

/** One piece of work that is done wholly or not at all. */
export type Work = (sql: Sql) => Promise<void>;

/** The result of one piece of work in a committed batch. */
export type Verdict = { is: 'done' } | { is: 'failed'; error: unknown };

export interface Database {
  /** Sees committed rows only, whatever a running batch is doing. */
  readonly reads: Sql;
  /**
   * Runs all of `batch` in ONE transaction, in order. A piece that fails is undone alone. Resolves after the commit with one
   * verdict each; rejects when nothing of the batch has happened (no room, I/O error, connection gone).
   */
  transaction(batch: readonly Work[]): Promise<Verdict[]>;
}

/** The lengths that list statements are compiled for. A shorter list is filled up by repeating its last item, so that a
 *  few prepared statements serve every length; the longest stays far below SQLite's 32,766 parameters. */
const LIST_SIZES = [1, 8, 64, 500];
export const LONGEST_LIST = 500;

/** SQL text and how its parameters are made from those of the caller. */
export interface Compiled {
  readonly text: string;
  bind(params: object, items: readonly Value[]): Value[];
}

export interface Compiler {
  statement<Params, Row>(statement: Statement<Params, Row>): Compiled;
  /** For lists of `length` items, at most `LONGEST_LIST`. */
  list<Params, Item, Row>(statement: ListStatement<Params, Item, Row>, length: number): Compiled;
}

class Slot {
  constructor(readonly name: string) {}
}

class ItemSlot {
  constructor(readonly index: number) {}
}

/** Compiles each statement once. `db` decides the dialect. */
export function compiler(db: Builder): Compiler {
  const statements = new Map<object, Compiled>();
  const lists = new Map<object, Map<number, Compiled>>();
  return {
    statement(wanted) {
      let compiled = statements.get(wanted);
      if (!compiled) {
        compiled = compiledFrom(wanted.build(db, slot).compile());
        statements.set(wanted, compiled);
      }
      return compiled;
    },
    list(wanted, length) {
      const size = LIST_SIZES.find((candidate) => candidate >= length) ?? LONGEST_LIST;
      const bySize = lists.get(wanted) ?? new Map<number, Compiled>();
      lists.set(wanted, bySize);
      let compiled = bySize.get(size);
      if (!compiled) {
        compiled = compiledFrom(wanted.buildList(db, slot, itemSlots(size)).compile());
        bySize.set(size, compiled);
      }
      return compiled;
    },
  };
}

function slot<T>(name: string): Expression<T> {
  return sql<T>`${new Slot(name)}`;
}

function itemSlots<T>(size: number): Expression<T>[] {
  return Array.from({ length: size }, (_, index) => sql<T>`${new ItemSlot(index)}`);
}

function compiledFrom({ sql: text, parameters }: { sql: string; parameters: readonly unknown[] }): Compiled {
  return {
    text,
    bind(params, items) {
      const given = (name: string): unknown => Reflect.get(params, name);
      return parameters.map((parameter) => {
        if (parameter instanceof Slot) return asValue(given(parameter.name), parameter.name);
        if (parameter instanceof ItemSlot) return asValue(items[Math.min(parameter.index, items.length - 1)], 'item');
        return asValue(parameter, 'constant');
      });
    },
  };
}

function asValue(value: unknown, name: string): Value {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value;
  throw new TypeError(`parameter ${name} of a journal statement is ${typeof value}`);
}
