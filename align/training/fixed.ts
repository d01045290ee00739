import { type Device, dispose, evaluate, InputError, type Tensor } from "../../core/index.js";
import type { Params } from "../../models/parameters.js";
import type { Optimizer } from "../../optim/optimizer.js";
import type { TrainOptions } from "./options.js";
import { borrowed } from "./reference.js";
import type { Fixed, TrainState } from "./step.js";

/** What the optimizer looks at in every step; `release` frees what is the run's own. */
export const fixedInputs = (
  options: TrainOptions,
  key: Tensor,
  device: Device,
): { fixed: Fixed; release: () => void } => {
  const { optimizer, refDelta, anchor = options.params, gradientMask } = options;
  if (optimizer.usesTau && refDelta === undefined)
    throw new InputError(`${optimizer.name} merges with a reference delta; name a base model to take it from`);
  if (optimizer.usesMask && gradientMask === undefined)
    throw new InputError(`${optimizer.name} needs a mask of the gradient; estimate one with fisherMask`);
  const releases: (() => void)[] = [];
  const borrow = (tree: Params) => {
    const here = borrowed(tree, device);
    releases.push(here.release);
    return here.tree;
  };
  const tau = optimizer.usesTau ? evaluate(optimizer.prepare(refDelta as Params, key), device) : undefined;
  return {
    fixed: {
      ...(tau && { tau }),
      ...(optimizer.usesAnchor && { anchor: borrow(anchor) }),
      ...(optimizer.usesMask && { masks: { gradient: borrow(gradientMask as Params) } }),
    },
    release: () => {
      if (tau !== undefined) dispose(tau);
      for (const give of releases) give();
    },
  };
};

/** The weights to hand out, fresh where the optimizer averages, and made only when asked for. */
export const reported = ({ report }: Optimizer, state: TrainState, device: Device) => {
  let average: Params | undefined;
  return {
    params: (): Params => {
      if (report === undefined) return state.optimizer.params;
      average ??= evaluate(report(state.optimizer), device);
      return average;
    },
    release: () => {
      if (average !== undefined) dispose(average);
    },
  };
};
