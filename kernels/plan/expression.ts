import type { PointwiseName, Tensor } from "../../core/index.js";
import type { Access } from "./access/access.js";
import { permuteView, type Strided } from "./access/strided.js";
import { literalOf } from "./simplify.js";
import { spell } from "./spell.js";
import type { Instruction } from "./steps.js";

/** An expression with the memory it reads. */
export interface Expression {
  readonly body: readonly Instruction[];
  readonly loads: readonly Access[];
  /** Position of each requested node in the body. */
  readonly values: ReadonlyMap<Tensor, number>;
}

const sameView = (a: Strided, b: Strided): boolean =>
  a.offset === b.offset && a.strides.every((s, i) => s === b.strides[i]);

/**
 * Writes pointwise nodes of one index space as instructions, one `let` a node. Nodes in `inside` are computed, all others
 * are loaded. `axes` permutes the index space (reductions put kept axes first).
 */
export const expressionOf = (
  wanted: readonly Tensor[],
  inside: ReadonlySet<Tensor>,
  access: (t: Tensor) => Access,
  axes: readonly number[],
): Expression => {
  const body: Instruction[] = [];
  const loads: Access[] = [];
  const known = new Map<Tensor, number>();
  const written = new Map<string, number>();
  /** Each value is computed once, though a gradient's expansion may spell it out several times. */
  const emit = (instruction: Instruction): number => {
    const text = instruction.op === "iota" ? `${spell(instruction)} ${instruction.strides}` : spell(instruction);
    const at = written.get(text) ?? body.push(instruction) - 1;
    written.set(text, at);
    return at;
  };

  const leaf = (t: Tensor): number => {
    const literal = literalOf(t);
    if (literal !== undefined) return emit({ op: "constant", value: literal, dtype: t.dtype });
    const { base, view: seen } = access(t);
    const view = permuteView(seen, axes);
    if (base.op.name === "iota") {
      const index = emit({ op: "iota", strides: view.strides, dtype: t.dtype });
      if (view.offset === 0) return index;
      const offset = emit({ op: "constant", value: view.offset, dtype: t.dtype });
      return emit({ op: "add", args: [index, offset], dtype: t.dtype, from: t.dtype });
    }
    const same = loads.findIndex((load) => load.base === base && sameView(load.view, view));
    const input = same >= 0 ? same : loads.push({ base, view }) - 1;
    return emit({ op: "load", input, dtype: base.dtype });
  };

  // Iterative post-order: expressions can be thousands of nodes deep.
  const visit = (top: Tensor) => {
    const stack = [top];
    for (let t = stack.at(-1); t !== undefined; t = stack.at(-1)) {
      if (known.has(t)) {
        stack.pop();
        continue;
      }
      const missing = inside.has(t) ? t.inputs.filter((x) => !known.has(x)) : [];
      if (missing.length > 0) {
        stack.push(...missing);
        continue;
      }
      known.set(
        t,
        inside.has(t)
          ? emit(
              operation(
                t,
                t.inputs.map((x) => known.get(x) as number),
              ),
            )
          : leaf(t),
      );
      stack.pop();
    }
  };
  wanted.forEach(visit);
  return { body, loads, values: known };
};

const operation = (t: Tensor, args: readonly number[]): Instruction => ({
  op: t.op.name as Exclude<PointwiseName, "iota">,
  args,
  dtype: t.dtype,
  // `where` is chosen by what it selects, everything else by its first operand.
  from: t.op.name === "where" ? t.dtype : t.inputs[0].dtype,
  ...(t.op.name === "randomBits" ? { domain: t.attrs.domain as number } : {}),
});
