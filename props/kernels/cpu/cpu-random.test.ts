/** Laws of random words on the processor, where vectors that share blocks of Threefry run as pairs. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  add,
  cast,
  iota,
  key,
  less,
  randomBits,
  reshape,
  slice,
  sum,
  type Tensor,
  transpose,
} from "../../../core/index.js";
import { reference, run } from "../../close.js";
import { integers, seeds } from "../../generators/generators.js";
import { law } from "../../law.js";

law(
  "draws of one kernel are the reference's, each at its own count: mapped, transposed, summed either way",
  fc.record({
    rows: fc.nat({ max: 4 }),
    columns: fc.oneof(fc.nat({ max: 40 }), fc.constantFrom(8, 16, 24)),
    from: fc.nat({ max: 9 }),
    seed: seeds(),
  }),
  async ({ rows, columns, from, seed }, device) => {
    const f = (k: Tensor, rowKeys: Tensor): Tensor[] => {
      const [k0, k1] = [0, 1].map((i) => slice(k, [i], [i + 1]));
      const moved = slice(iota([rows, columns + from], 1, "u32"), [0, from], [rows, columns + from]);
      const flat = reshape(iota([rows * columns], 0, "u32"), [rows, columns]);
      const counts = [iota([rows, columns], 1, "u32"), moved, flat, iota([rows, columns], 0, "u32")];
      const [x, y, z, w] = counts.map((index, i) => randomBits(k0, k1, index, i));
      const other = randomBits(rowKeys, k1, counts[0], 0);
      const isLess = cast(less(x, other), "i32");
      return [
        add(add(x, y), add(add(z, w), other)),
        transpose(add(x, other)),
        sum(isLess, 0),
        sum(isLess, 1),
        sum(isLess),
      ];
    };
    const inputs = [key(seed), integers([rows, 1], seed, 0, 99, "u32")];
    const got = await run(f as (...given: Tensor[]) => Tensor[], inputs, device);
    const want = await run(f as (...given: Tensor[]) => Tensor[], inputs, reference);
    want.forEach((numbers, i) => {
      assert.deepEqual([...got[i]], [...numbers], `output ${i}`);
    });
  },
  { on: ["cpu"], effort: 1 },
);
