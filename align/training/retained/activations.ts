import { asks, expects } from "../../../core/expects.js";
import {
  add,
  cast,
  compile,
  type Device,
  dispose,
  equal,
  evaluate,
  matmul,
  mul,
  not,
  reshape,
  sizeOf,
  type Tensor,
  tensor,
  transpose,
} from "../../../core/index.js";
import type { ModelConfig } from "../../../models/config.js";
import type { Params } from "../../../models/parameters.js";
import { hiddenStates } from "../../../models/transformer.js";
import { nullSpace } from "../../../optim/retain/null-space.js";
import type { TrainingBatch } from "../../data/rows.js";
import { borrowed } from "../reference.js";

/** A model, and what it is to be left as it is on. */
export interface Observed {
  readonly config: ModelConfig;
  readonly params: Params;
  readonly batches: readonly TrainingBatch[];
  /** What fills short rows, and is not looked at. */
  readonly padId: number;
}

/**
 * K = Σ x xᵀ over what each linear layer of the model reads, of all tokens but padding: by name of its weights, f32 [in, in].
 * Layers that read the same (q, k and v) have the same. The caller owns them. Embedding and output matrix have none.
 */
export const activationGrams = asks(
  "activationGrams",
  "record device",
  ({ config, params, batches, padId }: Observed, device: Device): Params => {
    const nameOf = (weights: Tensor, all: Params) => Object.keys(all).find((name) => all[name] === weights) as string;
    const gather = compile(
      (all: Params, ids: Tensor, before: Params): Params => {
        const real = reshape(cast(not(equal(ids, padId)), "f32"), [sizeOf(ids.shape), 1]);
        const sums: Record<string, Tensor> = {};
        const observe = (weights: Tensor, x: Tensor): void => {
          const rows = mul(reshape(x, [sizeOf(ids.shape), x.shape[x.shape.length - 1]]), real);
          const name = nameOf(weights, all);
          const own = matmul(transpose(rows), rows);
          sums[name] = name in before ? add(before[name], own) : own;
        };
        hiddenStates(all, { ...config, observe }, ids);
        return sums;
      },
      device,
      { donate: [2], name: "activations" },
    );
    const here = borrowed(params, device);
    let sums: Params = {};
    try {
      for (const { ids, rows, length } of batches) sums = gather(here.tree, tensor(ids, [rows, length]), sums);
      return sums;
    } finally {
      here.release();
      for (const program of gather.programs()) program.free();
    }
  },
);

/**
 * The null spaces of what the linear layers of a model read: `spaces` of a run that is to leave it as it is there (NSPO). By name,
 * f32 [in, in]; the caller owns them. `share`: what counts as hardly read, see `nullSpace`.
 */
export const nullSpaces = (observed: Observed & { readonly share?: number }, device: Device): Params => {
  expects("nullSpaces", "any device", observed, device);
  const grams = activationGrams(observed, device);
  try {
    // One by one: a matrix, and what its iteration holds.
    return Object.fromEntries(
      Object.entries(grams).map(([name, K]) => [name, evaluate(nullSpace(K, observed.share), device)]),
    );
  } finally {
    dispose(grams);
  }
};
