/** The smallest of many numbers again and again. */
export interface Heap {
  readonly push: (value: number) => void;
  /** Takes the smallest; undefined when there is none. */
  readonly pop: () => number | undefined;
}

/** A binary heap of numbers. */
export const heap = (): Heap => {
  const values: number[] = [];
  const swap = (a: number, b: number): void => {
    [values[a], values[b]] = [values[b], values[a]];
  };
  return {
    push: (value) => {
      let i = values.push(value) - 1;
      for (let up = (i - 1) >> 1; i > 0 && values[i] < values[up]; up = (i - 1) >> 1) {
        swap(i, up);
        i = up;
      }
    },
    pop: () => {
      const last = values.pop();
      if (last === undefined || values.length === 0) return last;
      const smallest = values[0];
      values[0] = last;
      for (let i = 0, down = 1; down < values.length; down = 2 * i + 1) {
        if (down + 1 < values.length && values[down + 1] < values[down]) down++;
        if (values[i] <= values[down]) break;
        swap(i, down);
        i = down;
      }
      return smallest;
    },
  };
};
