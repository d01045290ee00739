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

/** The same launches with their common memory further on. */
const shifted = ({ blocks }: Launch, bytes: number): Launch["blocks"] =>
  blocks.map((block) =>
    block.map((word) => (typeof word === "object" && "common" in word ? { common: word.common + bytes } : word)),
  );

/** What must agree for launches to be one: the kernel, and scratch addresses, which are given to a launch. */
const kindOf = ({ kernel, blocks }: Launch): string =>
  `${kernel.key} ${blocks[0].flatMap((word, i) => (typeof word === "object" && "scratch" in word ? [i, word.scratch] : []))}`;

/** Launches of independent steps; those of alike steps as blocks of one launch, or of one after the other. */
const together = (steps: readonly (readonly Launch[])[]): Launch[] => {
  const alike = new Map<string, (readonly Launch[])[]>();
  for (const launches of steps) {
    const key = launches.map(kindOf).join();
    alike.set(key, [...(alike.get(key) ?? []), launches]);
  }
  return [...alike.values()].flatMap((members) => {
    if (members.length === 1) return members[0];
    let common = 0;
    const places = members.map((launches) => {
      const at = common;
      common += Math.ceil(Math.max(...launches.map((launch) => launch.common ?? 0)) / 64) * 64;
      return at;
    });
    return members[0].map((first, phase): Launch => {
      const launches = members.map((launches) => launches[phase]);
      return {
        kernel: first.kernel,
        blocks: launches.flatMap((launch, i) => shifted(launch, places[i])),
        work: launches.reduce((sum, launch) => sum + (launch.work ?? Number.POSITIVE_INFINITY), 0),
        scratch: Math.max(...launches.map((launch) => launch.scratch ?? 0)),
        ...(common > 0 && { common }),
      };
    });
  });
};
