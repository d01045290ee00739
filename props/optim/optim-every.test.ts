/** Laws 14 and 15, and those of the lift, for every optimizer, in f32 and bf16: the table of optim-table.ts. */
import { join } from "node:path";
import fc from "fast-check";
import { loadTree, saveTree } from "../../align/training/state-file.js";
import {
  bearsAnyShape,
  converges,
  isMapped,
  resumes,
  secondStepCompilesNothing,
  threeRuns,
} from "../../testing/optimizer-laws.js";
import { assertNear } from "../../testing/runs.js";
import { scratch } from "../cli/cli.js";
import { check, law } from "../law.js";
import { slope, TARGETS, table } from "./optim-table.js";

const folder = scratch();

for (const { name: title, make, pace, everywhere } of table) {
  const on = everywhere ? undefined : (["cpu"] as const);

  check(
    `law 14: save and load mid-run ≡ uninterrupted, bit for bit: ${title}`,
    (device) =>
      // Through a file: what a checkpoint holds is the numbers of the leaves, and nothing else.
      resumes(make(), device, async (state, like) => {
        const file = join(folder, `${title}-${device.name}.safetensors`.replaceAll(" ", "-"));
        await saveTree(file, state);
        return loadTree(file, like);
      }),
    on,
  );

  check(
    `the second step compiles nothing and leaks nothing: ${title}`,
    (device) => secondStepCompilesNothing(make(), device),
    on,
  );

  // Many programs: those that stand for all will do, and on WebGPU one case, to rounding: programs contract a·b+c as they like.
  if (everywhere) {
    law(
      `law 15: the tree rule is the leaf rule mapped: ${title}`,
      threeRuns,
      (parts, device) => isMapped(make, parts, device),
      {
        effort: 0.1,
        on: ["reference", "cpu"],
      },
    );
    const [parts] = fc.sample(threeRuns, { numRuns: 1, seed: 15 });
    if (!title.endsWith("bf16"))
      check(
        `law 15: a leaf among others is the leaf alone: ${title}`,
        (device) => isMapped(make, parts, device, (got, want) => assertNear(got, want, device)),
        ["webgpu"],
      );
  }

  check(`empty, scalar and zero-size leaves: ${title}`, (device) => bearsAnyShape(make(), device), on);

  for (const target of ["quadratic", "rosenbrock"] as const)
    check(
      `converges on ${target}: ${title}`,
      (device) => {
        const [steps, rate] = target === "quadratic" ? [400, pace.quadratic] : [6000, pace.rosenbrock];
        const { start, minimum } = TARGETS[target];
        return converges(make(), { slope: (w) => slope(target, w), start, minimum, steps }, rate, device);
      },
      target === "quadratic" && everywhere ? ["reference", "cpu"] : ["cpu"],
    );
}
