// How far the changes of the folder have been dealt with. A link is stored only when every mail of the pages before it is
// confirmed or rejected: after a crash the stored link shows the others again.
// A page: waiting for its mails -> done -> (all earlier pages done) its link may be stored.
import { boundedMap } from '../../src/driver/shared/bounded-map.js';

/** The journal marks a settled mail a moment later than `settle`; by then at most this many more have come. */
const MAX_SETTLED = 10_000;

export interface Progress<Point> {
  /** Ids that were handed over in this session, settled or not. */
  has(id: string): boolean;
  /** `listed`: every mail of the page; `wanted`: those that are going to be handed over. `point`: what to store afterwards. */
  page(listed: readonly string[], wanted: readonly string[], point: Point): void;
  settle(id: string): void;
  /** The newest point that may be stored, once; undefined when there is no new one. */
  take(): Point | undefined;
  /** The links so far are worth nothing; the mails under way stay. */
  restart(): void;
}

export function progress<Point>(): Progress<Point> {
  /** Bounded by the window of the pipeline and the mails that cannot be downloaded. */
  const pending = new Set<string>();
  const settled = boundedMap<true>(MAX_SETTLED);
  let pages: { waits: Set<string>; point: Point }[] = [];
  return {
    has: (id) => pending.has(id) || settled.has(id),
    page(listed, wanted, point) {
      for (const id of wanted) pending.add(id);
      pages.push({ waits: new Set(listed.filter((id) => pending.has(id))), point });
    },
    settle(id) {
      pending.delete(id);
      settled.set(id, true);
      for (const { waits } of pages) waits.delete(id);
    },
    take() {
      let point: Point | undefined;
      for (let [first] = pages; first?.waits.size === 0; [first] = pages) {
        point = first.point;
        pages.shift();
      }
      return point;
    },
    restart() {
      pages = [];
    },
  };
}
