import { equal, type Fields, nothing, object, tuple, type Value } from "./values.js";

/** The `loop` of a for statement; `step` sets where it stands, `again` renders the body over inner items. */
export const loopFields = (
  items: readonly Value[],
  depth: number,
  again: ((items: Value) => Value) | undefined,
): { readonly fields: Fields; readonly step: (index: number) => void } => {
  let at = 0;
  let last: Value | undefined;
  const method = (name: string, run: (list: readonly Value[]) => Value): Value =>
    object(
      "LoopContext",
      () => nothing(`loop.${name} has no attributes`),
      undefined,
      ({ list }) => run(list),
    );
  const fields: Readonly<Record<string, () => Value>> = {
    index: () => at + 1,
    index0: () => at,
    revindex: () => items.length - at,
    revindex0: () => items.length - at - 1,
    first: () => at === 0,
    last: () => at === items.length - 1,
    length: () => items.length,
    depth: () => depth + 1,
    depth0: () => depth,
    previtem: () => (at > 0 ? items[at - 1] : nothing("there is no previous item")),
    nextitem: () => (at < items.length - 1 ? items[at + 1] : nothing("there is no next item")),
    cycle: () =>
      method("cycle", (list) => {
        if (list.length === 0) throw new Error("no items for cycling given");
        return list[at % list.length];
      }),
    changed: () =>
      method("changed", (list) => {
        const value = tuple(list);
        const isNew = last === undefined || !equal(last, value);
        last = value;
        return isNew;
      }),
  };
  return {
    fields: object(
      "LoopContext",
      (name) => (Object.hasOwn(fields, name) ? fields[name]() : undefined),
      undefined,
      ({ list }) => {
        if (again === undefined) throw new Error("The loop must have the 'recursive' marker to be called recursively.");
        return again(list[0]);
      },
    ),
    step: (index) => {
      at = index;
    },
  };
};
