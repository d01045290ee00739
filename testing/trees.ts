import fc from "fast-check";
import { type DType, type Tensor, type Tree, zeros } from "../core/index.js";
import { booleans, eighths, integers, seeds, shapes } from "./generators.js";

/**
 * Tensors [*S] with numbers, of small shapes, size 1 and 0 among them: eighths in [-2, 2] as f32, -3 … 5 as i32, and booleans.
 * @example await holds(tensors({ rank: 2, low: 1 }), (x) => agreesWithDifferences(sin, [x], 1), 3);
 */
export const tensors = ({
  dtypes = ["f32"],
  ...options
}: {
  readonly dtypes?: readonly ("f32" | "i32" | "u32" | "bool")[];
} & NonNullable<Parameters<typeof shapes>[0]> = {}): fc.Arbitrary<Tensor> =>
  fc.tuple(shapes(options), fc.constantFrom(...dtypes), seeds()).map(([shape, dtype, seed]) => {
    if (dtype === "f32") return eighths(shape, seed);
    return dtype === "bool" ? booleans(shape, seed) : integers(shape, seed, dtype === "i32" ? -3 : 0, 5, dtype);
  });

const leaf = fc
  .tuple(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }), fc.constantFrom<DType>("f32", "i32", "bool"))
  .map(([shape, dtype]) => zeros(shape, dtype));
const names = fc.oneof(fc.constantFrom("w", "b", "10", "2", "layers", "constructor", "é"), fc.string({ maxLength: 5 }));

/** Trees of tensors, zeros by default: arrays and records in one another, empty ones too, with names that are easily mistaken. */
export const trees = (leaves: fc.Arbitrary<Tensor> = leaf): fc.Arbitrary<Tree> =>
  fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, depthSize: "small" },
      leaves,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(
        names.filter((name) => name !== "__proto__"),
        tie("tree"),
        { maxKeys: 4, noNullPrototype: true },
      ),
    ),
  })).tree;
