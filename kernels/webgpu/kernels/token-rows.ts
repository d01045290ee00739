import type { CallStep } from "../../plan/steps.js";
import type { Kernel } from "../wgsl/module.js";
import { rowParts } from "../windows/rows.js";
import type { Lowering } from "./lowering.js";
import { along, rowsKernel, rowsOf, written } from "./rows-kernel.js";

/** What is known of a row of logits once it was walked through. */
interface Walked {
  /** log Σ eˣ⁻ᵗᵒᵖ, and top less the target's logit. */
  readonly log: string;
  readonly gap: string;
}

/** A kernel that walks over rows of logits, and writes `numbers` of each. */
const tokenKernels =
  (
    label: string,
    numbers: number,
    more: (exp: string, read: string) => Readonly<Record<string, string>>,
    values: (walked: Walked) => readonly string[],
  ) =>
  (step: CallStep, lowering: Lowering): Kernel[] => {
    const [logits, target] = step.inputs;
    const [rows, width] = rowsOf(logits);
    if (rows === 0) return [];
    const [logitsType] = step.dtypes;
    const over = [along(logits, width, logitsType), along(target, 1), written(step.output, numbers)];
    return rowParts(label, rows, over, lowering.windows).map(({ rows: some, views: [from, ids, to] }) => {
      const r = rowsKernel(label, some, width, lowering, [from]);
      const { k } = r;
      const read = r.read(from, logitsType);
      const id = k.buffer(ids.buffer, "i32", "read").load(`${k.param(ids.offset)} + row`);
      const picked = k
        .buffer(from.buffer, logitsType, "read")
        .load(`${k.param(from.offset)} + row * ${r.width} + u32(id)`);
      const out = k.buffer(to.buffer, "f32", "write");
      const exp = k.helper("exp_f");
      return r.finish([
        ...r.totals("max", { top: read }),
        ...r.totals("sum", { sum: `${exp}(${read} - top)`, ...more(exp, read) }),
        `let id = ${id};`,
        "var chosen = 0.0;",
        `if (id >= 0 && u32(id) < ${r.width}) { chosen = ${picked}; }`,
        ...values({ log: `${k.helper("log_f")}(sum)`, gap: "(top - chosen)" }).map((value, i) =>
          r.once(out.store(`${k.param(to.offset)} + row * ${numbers}u + ${i}u`, value)),
        ),
      ]);
    });
  };

/** loss = log Σ e^logits - logits[target], row by row. */
export const crossEntropyKernels = tokenKernels(
  "crossEntropy",
  1,
  () => ({}),
  ({ log, gap }) => [`${gap} + ${log}`],
);

/**
 * Log-probability of the target; with metrics entropy = log Σ eˣ⁻ᵗᵒᵖ - Σ eˣ⁻ᵗᵒᵖ (x - top) / Σ eˣ⁻ᵗᵒᵖ, and whether no logit is higher; then
 * top and log Σ eˣ⁻ᵗᵒᵖ.
 */
export const tokenScoresKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const ofRow = ({ log, gap }: Walked) => [`-(${gap} + ${log})`];
  const known = ({ log }: Walked) => ["top", log];
  const kernels =
    step.attrs.metrics === true
      ? tokenKernels(
          "tokenScores",
          5,
          (exp, read) => ({ dot: `${exp}(${read} - top) * (${read} - top)` }),
          (row) => [...ofRow(row), `${row.log} - dot / sum`, "select(0.0, 1.0, chosen == top)", ...known(row)],
        )
      : tokenKernels(
          "tokenScores",
          3,
          () => ({}),
          (row) => [...ofRow(row), ...known(row)],
        );
  return kernels(step, lowering);
};

/** dlogits = ct · (softmax(logits) - onehot(target)). */
export const crossEntropyGradientKernels = (step: CallStep, lowering: Lowering): Kernel[] => {
  const [ct, logits, target] = step.inputs;
  const [rows, width] = rowsOf(logits);
  if (rows === 0) return [];
  const [ctType, logitsType] = step.dtypes;
  const label = "crossEntropy.vjp";
  const over = [along(ct, 1, ctType), along(logits, width, logitsType), along(target, 1), written(step.output, width)];
  return rowParts(label, rows, over, lowering.windows).map(({ rows: some, views }) => {
    const [cts, from, ids, to] = views;
    const r = rowsKernel(label, some, width, lowering, [from, to]);
    const { k } = r;
    const exp = k.helper("exp_f");
    const read = r.read(from, logitsType);
    const id = k.buffer(ids.buffer, "i32", "read").load(`${k.param(ids.offset)} + row`);
    const upstream = k.buffer(cts.buffer, ctType, "read").load(`${k.param(cts.offset)} + row`);
    return r.finish([
      ...r.totals("max", { top: read }),
      ...r.totals("sum", { sum: `${exp}(${read} - top)` }),
      `let id = ${id};`,
      `let ct = ${upstream};`,
      ...r.each([r.write(to)(`ct * (${exp}(${read} - top) / sum - select(0.0, 1.0, i32(j) == id))`)]),
    ]);
  });
};
