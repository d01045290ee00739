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
    case "batch":
      return together(step.steps.map(launchesOf));
  }
};

/** Launches of independent steps, those of one kernel as blocks of one launch. */
const together = (steps: readonly (readonly Launch[])[]): Launch[] => {
  const merged = new Map<string, Launch[]>();
  const apart = steps.flatMap((launches) => {
    const [only] = launches;
    if (launches.length !== 1 || only.common !== undefined) return launches;
    // Scratch addresses are given to a launch, so its blocks must agree in them.
    const scratch = only.blocks[0].flatMap((word, i) =>
      typeof word === "object" && "scratch" in word ? [i, word.scratch] : [],
    );
    const key = `${only.kernel.key} ${scratch}`;
    merged.set(key, [...(merged.get(key) ?? []), only]);
    return [];
  });
  const joined = [...merged.values()].map((launches): Launch => {
    const scratch = Math.max(...launches.map((launch) => launch.scratch ?? 0));
    const work = launches.reduce((sum, launch) => sum + (launch.work ?? Number.POSITIVE_INFINITY), 0);
    return { kernel: launches[0].kernel, blocks: launches.flatMap(({ blocks }) => blocks), work, scratch };
  });
  return [...apart, ...joined];
};
