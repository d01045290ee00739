import { builder, type Kernel } from "../../wgsl/module.js";
import { indent } from "../../wgsl/walk.js";
import type { ForwardPart } from "./forward.js";
import { lanes } from "./lanes.js";
import { declareInFours, lowest } from "./lines.js";
import { sizesOf } from "./operands.js";
import { scoresOf } from "./scores.js";

/** As `forwardKernel`, for adapters that run on the CPU: weighted values are summed in the output itself, a tile at a time. */
export const forwardLanesKernel = ({ inputs, dtypes, scoring, output }: ForwardPart): Kernel => {
  const [q, keys, values, ...bounds] = inputs;
  const sizes = sizesOf(q, keys);
  const k = builder("attention");
  const vectors = [q, keys, values].map((view, i) => ({ name: "qkv"[i], view, dtype: dtypes[i] }));
  const bound = { vectors, bounds, others: [output] };
  const t = lanes(k, sizes, bound, sizes.time * sizes.share, [output]);
  const [loadQ, loadK, loadV] = vectors.map(t.load);
  const exp = declareInFours(k, "exp");
  const { score } = scoresOf(k, scoring);
  const body = [
    ...t.lines,
    ...t.queryRows,
    "var top = -1e30;",
    "var sum = 0.0;",
    ...t.overKeys([
      ...t.products([{ name: "s", row: (quad) => loadQ("place", quad), column: (c) => loadK(`key${c}`, "quad") }]),
      ...t.each((i) => `s${i} = select(${lowest}, ${score(`s${i}`)}, ${t.mask(i)});`),
      "var high = vec4<f32>(top);",
      ...t.each((i) => `high = max(high, s${i});`),
      "let highest = max(max(high.x, high.y), max(high.z, high.w));",
      `let fade = ${k.helper("exp_f")}(top - highest);`,
      "top = highest;",
      ...t.each((i) => `s${i} = select(vec4<f32>(), ${exp}(s${i} - vec4<f32>(top)), ${t.mask(i)});`),
      "var some = vec4<f32>();",
      ...t.each((i) => `some += s${i};`),
      "sum = sum * fade + ((some.x + some.y) + (some.z + some.w));",
      ...t.add(0, "place", "s", (c) => loadV(`key${c}`, "quad"), "fade"),
    ]),
    ...t.finish(0, "place", "select(vec4<f32>(), value / sum, sees > 0u)"),
  ];
  return k.finish({ workgroupSize: t.workgroupSize, workgroups: t.workgroups, body: indent(body) });
};
