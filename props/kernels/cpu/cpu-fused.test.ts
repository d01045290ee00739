import fc from "fast-check";
import { attention, crossEntropy, expand, rmsnorm, softmax, type Tensor, vjp } from "../../../core/index.js";
import { type agrees, assertClose, EPS, reference, run } from "../../close.js";
import { eighths, integers, seeds } from "../../generators/generators.js";
import { law } from "../../law.js";

const cpu = { on: ["cpu"] as const, effort: 2 };

/**
 * A fused op's value and gradients agree with those of its expansion in f64. Beside the relative error there is an absolute
 * one: differences of terms up to 2 (cotangents, weights) that may cancel down to nothing, each rounded a few times.
 */
const fusedAgrees =
  (f: (...xs: Tensor[]) => Tensor, xs: Tensor[], floats: number, rel: number) =>
  async (device: Parameters<typeof agrees>[2]) => {
    const rest = xs.slice(floats);
    const all = (...given: Tensor[]): Tensor[] => {
      const [y, back] = vjp((...inner: Tensor[]) => f(...inner, ...rest), ...given);
      return [y, ...(back(eighths(y.shape, 77)) as Tensor[])];
    };
    const got = await run(all, xs.slice(0, floats), device);
    const want = await run((...given: Tensor[]) => expand(all(...given)), xs.slice(0, floats), reference);
    want.forEach((numbers, i) => {
      assertClose(got[i], numbers, { rel, abs: 16 * EPS }, `output ${i}`);
    });
  };

const rows = () => fc.record({ n: fc.integer({ min: 1, max: 6 }), d: fc.integer({ min: 2, max: 70 }), seed: seeds() });

law(
  "softmax is its expansion",
  rows(),
  ({ n, d, seed }, device) => fusedAgrees((x) => softmax(x), [eighths([n, d], seed, 9)], 1, 2e-6)(device),
  cpu,
);

law(
  "rmsnorm is its expansion",
  rows(),
  ({ n, d, seed }, device) =>
    fusedAgrees((x, w) => rmsnorm(x, w, 1e-3), [eighths([2, n, d], seed), eighths([d], seed + 1)], 2, 3e-6)(device),
  cpu,
);

law(
  "crossEntropy is its expansion",
  rows(),
  ({ n, d, seed }, device) =>
    fusedAgrees(
      (x, t) => crossEntropy(x, t),
      [eighths([n, d], seed, 9), integers([n], seed, 0, d - 1)],
      1,
      2e-6,
    )(device),
  cpu,
);

law(
  "attention is its expansion, with grouped heads, unused slots, bounds in any order and capped scores",
  fc.record({
    B: fc.integer({ min: 1, max: 2 }),
    T: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 37 })),
    S: fc.integer({ min: 1, max: 37 }),
    G: fc.integer({ min: 1, max: 2 }),
    shared: fc.integer({ min: 1, max: 3 }),
    D: fc.integer({ min: 1, max: 18 }),
    seesAll: fc.boolean(),
    isBounded: fc.boolean(),
    softCap: fc.constantFrom(undefined, 0.5),
    seed: seeds(),
  }),
  ({ B, T, S, G, shared, D, seesAll, isBounded, softCap, seed }, device) => {
    const tensors = [
      eighths([B, T, G * shared, D], seed),
      eighths([B, S, G, D], seed + 1),
      eighths([B, S, G, D], seed + 2),
    ];
    // The largest position has no successor.
    const position = integers([B, T], seed, seesAll ? 2 ** 31 - 1 : 0, seesAll ? 2 ** 31 - 1 : S - 1);
    const from = isBounded ? [integers([B, T], seed + 3, -2, S)] : []; // some see nothing
    const f = (q: Tensor, k: Tensor, v: Tensor, p: Tensor, first?: Tensor) =>
      attention(q, k, v, p, 0.25, { from: first, softCap });
    return fusedAgrees(f, [...tensors, position, ...from], 3, 5e-6)(device);
  },
  { ...cpu, effort: 1 },
);
