/** An index space with the strides of several views (or iotas) over it. */
export interface Space {
  readonly shape: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/**
 * The same walk in as few axes as possible: axes of size 1 go, and neighbours merge where every view steps through both
 * as through one. `barriers` are axes (of the given shape) that must stay the start of an axis, such as the first reduced one.
 */
export const collapse = (space: Space, barriers: readonly number[] = []): Space => {
  const shape: number[] = [];
  const strides: number[][] = space.strides.map(() => []);
  let barred = false;
  space.shape.forEach((n, axis) => {
    barred ||= barriers.includes(axis);
    if (n === 1) return;
    const last = shape.length - 1;
    const merges = last >= 0 && !barred && space.strides.every((s, v) => strides[v][last] === s[axis] * n);
    if (merges) {
      shape[last] *= n;
      space.strides.forEach((s, v) => {
        strides[v][last] = s[axis];
      });
    } else {
      shape.push(n);
      space.strides.forEach((s, v) => {
        strides[v].push(s[axis]);
      });
    }
    barred = false;
  });
  return { shape, strides };
};
