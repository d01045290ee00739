import type { DType } from "../../../core/index.js";
import type { MapStep, View } from "../../plan/steps.js";

/** Zeros. */
export const filled = (view: View, dtype: DType): MapStep => {
  const zero = { op: "constant", value: 0, dtype } as const;
  return { kind: "map", shape: view.shape, inputs: [], body: [zero], outputs: [{ value: 0, view, dtype }] };
};

/** What lies in x, stored as `dtype`, plus what lies in f32 y. */
export const added = (x: View, dtype: DType, y: View, to: View): MapStep => ({
  ...{ kind: "map", shape: to.shape, inputs: [x, y] },
  body: [
    { op: "load", input: 0, dtype },
    { op: "load", input: 1, dtype: "f32" },
    { op: "add", args: [0, 1], dtype: "f32", from: "f32" },
  ],
  outputs: [{ value: 2, view: to, dtype: "f32" }],
});
