/** Where a temporary lies: so many bytes into a slot, or into a host. */
export interface Place {
  readonly kind: "slot" | "host";
  readonly index: number;
  readonly offset: number;
}

/** What every binding may begin at. */
const ALIGN = 256;

/** So many bytes, from one step to another. */
export interface Stay {
  readonly bytes: number;
  readonly from: number;
  readonly to: number;
}

interface Placed {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
  readonly end: number;
}

/** Log2 of the steps that a list of an area covers: what lives shortly looks through one of them alone. */
const SPAN = 6;

/** A piece of memory and what lies in it when. */
export interface Area extends Pick<Place, "kind" | "index"> {
  readonly bytes: () => number;
  /** The lowest offset from which on there is room for it while it lives. */
  readonly gap: (stay: Stay) => number;
  readonly put: (stay: Stay, offset: number) => void;
}

/** Adds to a list that is in the order of offsets. */
const insert = (list: Placed[], placed: Placed): void => {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].offset <= placed.offset) low = middle + 1;
    else high = middle;
  }
  list.splice(low, 0, placed);
};

/** An empty piece of memory, so many bytes long to begin with; `padding` bytes past its end each step may write along. */
export const createArea = (kind: Place["kind"], index: number, initial: number, padding: number): Area => {
  const all: Placed[] = [];
  const bySpan = new Map<number, Placed[]>();
  let size = initial;
  return {
    kind,
    index,
    bytes: () => size,
    gap: ({ bytes, from, to }) => {
      const span = from >> SPAN;
      const there = span === to >> SPAN ? bySpan.get(span) : all;
      let at = 0;
      for (const other of there ?? []) {
        if (other.from > to || other.to < from) continue;
        if (at + bytes + padding <= other.offset) break;
        at = Math.max(at, Math.ceil((other.end + padding) / ALIGN) * ALIGN);
      }
      return at;
    },
    put: ({ bytes, from, to }, offset) => {
      const placed = { from, to, offset, end: offset + bytes };
      insert(all, placed);
      for (let span = from >> SPAN; span <= to >> SPAN; span++) {
        const list = bySpan.get(span) ?? [];
        insert(list, placed);
        bySpan.set(span, list);
      }
      size = Math.max(size, placed.end);
    },
  };
};
