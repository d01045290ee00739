/** Products whose rows are read four at a time, and those that just cannot be: every layout of the register kernel's lanes. */
import fc from "fast-check";
import { matmul, sliceAxis, type Tensor } from "../core/index.js";
import { agrees } from "./close.js";
import { eighths, seeds } from "./generators.js";
import { webgpuLaw } from "./webgpu-variants.js";

const rows = fc.constantFrom(1, 2, 5, 8, 9, 17);
const columns = fc.constantFrom(4, 8, 12, 20, 36, 60, 64, 68, 132, 6, 67);

webgpuLaw(
  "products of all widths, from an offset, in batches, and of a tensor with itself are the reference's, bit for bit",
  fc.record({ m: rows, n: columns, inner: fc.constantFrom(1, 3, 16), lead: fc.nat(3), seed: seeds() }),
  async ({ m, n, inner, lead, seed }, device) => {
    const a = eighths([2, m, inner], seed);
    // b begins some rows and columns into a longer tensor: at a multiple of four numbers, or not.
    const b = eighths([2, inner + lead, n + lead], seed + 1);
    const square = eighths([n, n], seed + 2);
    // Sums of 132 products of eighths up to 2 are exact in f32.
    await agrees(
      (x: Tensor, y: Tensor, z: Tensor) => [
        matmul(x, sliceAxis(sliceAxis(y, 1, lead, lead + inner), 2, lead, lead + n)),
        matmul(z, z),
      ],
      [a, b, square],
      device,
      {},
    );
  },
  8,
);
