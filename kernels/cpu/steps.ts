import type { Step } from "../plan/steps.js";
import { launchMap } from "./emit/map.js";
import { launchReduce } from "./emit/reduce.js";
import { launchCall } from "./kernels/calls.js";
import { launchMatmul } from "./kernels/matmul.js";
import type { Launch } from "./launch.js";

/** The launches of one step, in order. */
export const launchesOf = (step: Step): Launch[] => {
  switch (step.kind) {
    case "map":
      return launchMap(step);
    case "reduce":
      return launchReduce(step);
    case "matmul":
      return launchMatmul(step);
    case "call":
      return launchCall(step);
  }
};
