// Owns forgetting: what is remembered of late in a Map, the oldest first in it, is kept within a bound.

/** A Map whose first entries were deleted one by one is slow to find the first that is left, so many are dropped at once. */
const SLACK = 1.1;

/** Drops the oldest entries down to `most`, once there are a tenth more than that. */
export function forgetOldest(map: Map<unknown, unknown>, most: number): void {
  if (map.size <= most * SLACK) return;
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
