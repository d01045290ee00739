import { builder, type Kernel } from "../../wgsl/module.js";
import { indent, indented } from "../../wgsl/walk.js";
import { type GradientPart, LABEL } from "./gradient.js";
import { lanes } from "./lanes.js";
import { declareInFours, lowest } from "./lines.js";
import { notesOf } from "./notes.js";
import { sizesOf } from "./operands.js";
import { scoresOf } from "./scores.js";

const readsOf = ({ inputs, dtypes }: GradientPart) =>
  inputs.slice(0, 4).map((view, i) => ({ name: "cqkv"[i], view, dtype: dtypes[i] }));

/** As `queryKernel`, for adapters that run on the CPU. */
export const queryLanesKernel = (part: GradientPart): Kernel => {
  const [, q, keys, , ...bounds] = part.inputs;
  const sizes = sizesOf(q, keys);
  const k = builder(`${LABEL}-queries`);
  const vectors = readsOf(part);
  const bound = { vectors, bounds, others: [part.dq, part.notes] };
  const t = lanes(k, sizes, bound, sizes.time * sizes.share, [part.dq]);
  const [loadC, loadQ, loadK, loadV] = vectors.map(t.load);
  const [exp, exp1, log1] = [declareInFours(k, "exp"), k.helper("exp_f"), k.helper("log_f")];
  const { score, slope, factor } = scoresOf(k, part.scoring);
  const { level, delta, ranges } = notesOf(k, part, sizes, "write");
  const first = [
    ...t.each((i) => `s${i} = select(${lowest}, ${score(`s${i}`)}, ${t.mask(i)});`),
    "var high = vec4<f32>(top);",
    ...t.each((i) => `high = max(high, s${i});`),
    "let highest = max(max(high.x, high.y), max(high.z, high.w));",
    `let fade = ${exp1}(top - highest);`,
    "top = highest;",
    "var some = vec4<f32>();",
    "var slope = vec4<f32>();",
    ...t.each((i) => `s${i} = select(vec4<f32>(), ${exp}(s${i} - vec4<f32>(top)), ${t.mask(i)});`),
    ...t.each((i) => `some += s${i};`),
    ...t.each((i) => `slope += select(vec4<f32>(), s${i} * d${i}, ${t.mask(i)});`),
    "sum = sum * fade + ((some.x + some.y) + (some.z + some.w));",
    "delta = delta * fade + ((slope.x + slope.y) + (slope.z + slope.w));",
  ];
  const second = [
    ...t.each((i) => `s${i} = ${score(`s${i}`)};`),
    ...t.each((i) => {
      const change = `${exp}(s${i} - vec4<f32>(level)) * (d${i} - vec4<f32>(delta))${slope(`s${i}`)}`;
      return `s${i} = select(vec4<f32>(), ${change}, ${t.mask(i)});`;
    }),
    ...t.add(0, "place", "s", (c) => loadK(`key${c}`, "quad")),
  ];
  const body = [
    ...t.lines,
    ...t.queryRows,
    ...(ranges === undefined
      ? []
      : ["if (lane == 0u) {", ...ranges.store(`firstRow / ${part.block}u`, "start", "end"), "}"]),
    "var top = -1e30;",
    "var sum = 0.0;",
    "var delta = 0.0;",
    "var level = 0.0;",
    "for (var walk = 0u; walk < 2u; walk++) {", // one text for both: loads are what drivers compile longest
    "  if (walk == 1u) {",
    // Who sees nothing has weights of 0 alone.
    "    let divisor = select(1.0, sum, sees > 0u);",
    "    delta = delta / divisor;",
    `    level = top + ${log1}(divisor);`,
    "    if (isRow) {",
    `      ${level.store("place", "level")}`,
    `      ${delta.store("place", "delta")}`,
    "    }",
    "  }",
    ...indented(
      t.overKeys([
        ...t.products([
          { name: "s", row: (quad) => loadQ("place", quad), column: (c) => loadK(`key${c}`, "quad") },
          { name: "d", row: (quad) => loadC("place", quad), column: (c) => loadV(`key${c}`, "quad") },
        ]),
        "if (walk == 0u) {",
        ...indented(first),
        "} else {",
        ...indented(second),
        "}",
      ]),
    ),
    "}",
    ...t.finish(0, "place", `select(vec4<f32>(), value * ${factor}, sees > 0u)`),
  ];
  return k.finish({ workgroupSize: t.workgroupSize, workgroups: t.workgroups, body: indent(body) });
};

/** As `keyKernel`, for adapters that run on the CPU. */
export const keyLanesKernel = (part: GradientPart): Kernel => {
  const [, q, keys, , ...bounds] = part.inputs;
  const sizes = sizesOf(q, keys);
  const k = builder(`${LABEL}-keys`);
  const vectors = readsOf(part);
  const bound = { vectors, bounds, others: [part.dk, part.dv, part.notes] };
  const t = lanes(k, sizes, bound, sizes.slots, [part.dk, part.dv]);
  const [loadC, loadQ, loadK, loadV] = vectors.map(t.load);
  const { from } = t.at;
  const exp = declareInFours(k, "exp");
  const { score, slope, factor } = scoresOf(k, part.scoring);
  const { level, delta, ranges } = notesOf(k, part, sizes, "read");
  const ofFour = (i: number, text: (column: number) => string) => [0, 1, 2, 3].map((c) => text(4 * i + c)).join(", ");
  const noted = (i: number, of: typeof level) => `vec4<f32>(${ofFour(i, (c) => of.load(`query${c}`))})`;
  const body = [
    ...t.lines,
    `let place = ${t.at.key("row")};`,
    "var isGoingOn = false;",
    `for (var first = 0u; first < ${t.items}; first += ${t.tile}u) {`,
    ...indented([
      // Columns are the blocks of the kernel before.
      ...(ranges === undefined
        ? []
        : [
            `if (${ranges.first(`first / ${t.tile}u`)} >= firstRow + ${t.workgroupSize}u || ${ranges.second(`first / ${t.tile}u`)} <= firstRow) { continue; }`,
          ]),
      ...t.columns((c) => `let item${c} = min(first + ${c}u, ${t.items} - 1u);`),
      ...t.columns((c) => `let sees${c} = select(0u, ${t.at.visible(`item${c}`)}, first + ${c}u < ${t.items});`),
      "var most = 0u;",
      ...t.columns((c) => `most = max(most, sees${c});`),
      "if (most <= firstRow) { continue; }",
      ...(from === undefined
        ? t.columns((c) => `let isSeen${c} = row < sees${c};`)
        : [
            ...t.columns((c) => `let begin${c} = ${from(`item${c}`)};`),
            ...t.columns((c) => `let isSeen${c} = row < sees${c} && row >= begin${c};`),
          ]),
      ...t.columns((c) => `let query${c} = ${t.at.query(`item${c}`)};`),
      ...t.products([
        { name: "s", row: (quad) => loadK("place", quad), column: (c) => loadQ(`query${c}`, "quad") },
        { name: "d", row: (quad) => loadV("place", quad), column: (c) => loadC(`query${c}`, "quad") },
      ]),
      ...t.each((i) => `let c${i} = ${score(`s${i}`)};`),
      ...t.each((i) => `s${i} = select(vec4<f32>(), ${exp}(c${i} - ${noted(i, level)}), ${t.mask(i)});`),
      ...t.each((i) => {
        const change = `s${i} * (d${i} - ${noted(i, delta)})${slope(`c${i}`)}`;
        return `d${i} = select(vec4<f32>(), ${change}, ${t.mask(i)});`;
      }),
      ...t.add(1, "place", "s", (c) => loadC(`query${c}`, "quad")),
      ...t.add(0, "place", "d", (c) => loadQ(`query${c}`, "quad")),
      "isGoingOn = true;",
    ]),
    "}",
    ...t.finish(0, "place", `select(vec4<f32>(), value * ${factor}, isGoingOn)`),
    ...t.finish(1, "place", "select(vec4<f32>(), value, isGoingOn)"),
  ];
  return k.finish({ workgroupSize: t.workgroupSize, workgroups: t.workgroups, body: indent(body) });
};
