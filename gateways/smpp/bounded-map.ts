/** Deleting entry by entry at the front of a Map makes its iteration slow, so many are deleted at once. */
const SLACK = 1.1;

/** Deletes the oldest entries down to `most`, as soon as there are a tenth more. */
export function deleteOldest(map: Map<unknown, unknown>, most: number): void {
  if (map.size <= most * SLACK) return;
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
