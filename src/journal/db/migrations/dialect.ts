import type { CreateTableBuilder } from 'kysely';

export interface Dialect {
  /** Adds an auto-increment column `id` whose values are never reused, not even after a row was removed. */
  id<Name extends string>(table: CreateTableBuilder<Name, never>): CreateTableBuilder<Name, 'id'>;
}
