import { LRUCache } from 'lru-cache';

/** A map of the newest entries: the oldest are dropped when there are more than `max`, so it never grows with the traffic. */
export type BoundedMap<Value extends object | string | number | true> = LRUCache<string, Value>;

export function boundedMap<Value extends object | string | number | true>(max: number): BoundedMap<Value> {
  return new LRUCache<string, Value>({ max });
}
