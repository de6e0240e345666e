// A driver's memory held in a Map, for tests without a journal. Honours the contract of Memory; what the flow does to
// the journal around an arrival is done here by `open`, `acknowledge`, `confirmed` and `quarantine`.
import type { Arrival, KeyState, Memory } from '../../src/driver/contract.js';

export interface TestMemory extends Memory {
  /** What is recorded, by key. */
  readonly records: ReadonlyMap<string, { state: KeyState; fingerprint: string }>;
  /** The driver's notes. */
  readonly notes: ReadonlyMap<string, unknown>;
  /** How many keys were asked about so far. */
  readonly asked: number;
  state(key: string): KeyState | undefined;
  /** Keys in this state, in the order of recording. */
  keys(state: KeyState): string[];
  /** Records a state under a key, whatever was there. */
  set(key: string, state: KeyState, fingerprint?: string): void;
  open(arrival: Pick<Arrival, 'key' | 'fingerprint'>): void;
  acknowledge(arrival: Pick<Arrival, 'key'>): void;
  confirmed(arrival: Pick<Arrival, 'key'>): void;
  quarantine(arrival: Pick<Arrival, 'key'>): void;
}

export function createMemory(): TestMemory {
  const records = new Map<string, { state: KeyState; fingerprint: string }>();
  const notes = new Map<string, unknown>();
  const kept = new Map<string, string>();
  let asked = 0;
  const set = (key: string, state: KeyState, fingerprint = records.get(key)?.fingerprint ?? '') =>
    void records.set(key, { state, fingerprint });
  return {
    records,
    notes,
    get asked() {
      return asked;
    },
    state: (key) => records.get(key)?.state,
    keys: (state) => [...records].filter(([, record]) => record.state === state).map(([key]) => key),
    set,
    open({ key, fingerprint }) {
      if (!records.has(key)) set(key, 'open', fingerprint);
    },
    acknowledge: ({ key }) => set(key, 'acknowledged'),
    confirmed: ({ key }) => set(key, 'confirmed'),
    quarantine: ({ key }) => set(key, 'quarantined'),
    async known(keys) {
      asked += keys.length;
      const found = new Map<string, KeyState>();
      for (const key of keys) {
        const record = records.get(key);
        if (record) found.set(key, record.state);
      }
      return found;
    },
    async ignore(entries) {
      for (const { key, fingerprint } of entries) if (!records.has(key)) set(key, 'ignored', fingerprint);
    },
    async byFingerprint(fingerprints) {
      const wanted = new Set(fingerprints);
      return [...records]
        .filter(([, { fingerprint }]) => wanted.has(fingerprint))
        .map(([key, { state, fingerprint }]) => ({ fingerprint, key, state }));
    },
    async rekey(changes) {
      for (const { from, to } of changes) {
        const record = records.get(from);
        if (!record || records.has(to)) continue;
        records.delete(from);
        records.set(to, record);
      }
    },
    async keep(collection, entries) {
      for (const { key, value } of entries) {
        const place = `${collection}\n${key}`;
        if (!kept.has(place)) kept.set(place, JSON.stringify(value));
      }
    },
    async kept(collection, prefix, limit) {
      const places = [...kept.keys()].filter((place) => place.startsWith(`${collection}\n${prefix}`)).sort();
      return places.slice(0, limit).map((place) => ({
        key: place.slice(collection.length + 1),
        value: JSON.parse(kept.get(place) ?? 'null'),
        at: 0,
      }));
    },
    async forget(collection, keys) {
      for (const key of keys) kept.delete(`${collection}\n${key}`);
    },
    // Through JSON, as a journal keeps it: what JSON cannot hold must not seem to work.
    read: async (name) => (notes.has(name) ? JSON.parse(JSON.stringify(notes.get(name))) : undefined),
    write: async (name, value) => void notes.set(name, JSON.parse(JSON.stringify(value))),
  };
}
