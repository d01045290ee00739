import assert from "node:assert/strict";
import type * as t from "../core/index.js";
import { assertSame, run } from "./close.js";

/** Both sides give the same numbers; views move numbers and never change them. */
export const equal = async (
  left: (...x: t.Tensor[]) => t.Tensor,
  right: (...x: t.Tensor[]) => t.Tensor,
  args: t.Tensor[],
  device: t.Device,
): Promise<void> => {
  const shapesOf: t.Shape[] = [];
  const [a, b] = await run(
    (...x: t.Tensor[]) => {
      const sides = [left(...x), right(...x)];
      shapesOf.push(...sides.map(({ shape }) => shape));
      return sides;
    },
    args,
    device,
  );
  assert.deepEqual(shapesOf[0], shapesOf[1]);
  assertSame(a, b);
};
