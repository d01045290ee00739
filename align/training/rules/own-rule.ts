import { createHash } from "node:crypto";
import { expects } from "../../../core/expects.js";
import {
  equal,
  expand,
  InputError,
  isTensor,
  key,
  leaves,
  reachable,
  ShapeError,
  type Tensor,
} from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import { optimizer, type Rule } from "../../../optim/index.js";
import { checkRule } from "../../../optim/rule-check.js";

/** A rule that is not the library's, and what its numbers are decided by. */
export interface OwnRule {
  readonly rule: Rule;
  /** sha256 of the graph of one step, and of the file that it came from: 64 hex digits. */
  readonly digest: string;
}

/** Parameters as models have them: what a rule is tried on before it meets a run. */
const TRIED = { "layers.0.w": [4, 6], "layers.0.norm": [6] } as const;

/** One step as a graph, of parameters without numbers. */
const oneStep = (rule: Rule): Tensor[] => {
  const tree = () =>
    Object.fromEntries(Object.entries(TRIED).map(([name, shape]) => [name, placeholder(shape, "f32")]));
  const lifted = optimizer(rule);
  const state = { ...lifted.init(tree()), key: key(0) };
  const [start, tau] = [tree(), lifted.usesTau ? lifted.prepare(tree(), state.key) : undefined];
  const gradient = Object.fromEntries(Object.entries(start).map(([name, w]) => [name, equal(w, w)]));
  const inputs = { lr: placeholder([], "f32"), tau, anchor: start, masks: { gradient } };
  const next = lifted.update(state, tree(), inputs);
  return leaves([next, lifted.report?.(next) ?? []]);
};

/** A graph as text, numbers of constants and all. */
const textOf = (outputs: readonly Tensor[]): string => {
  const order = reachable(expand(outputs));
  const places = new Map(order.map((t, i) => [t, i]));
  const lines = order.map(({ op, inputs, attrs, shape, dtype }) =>
    said([op.name, inputs.map((t) => places.get(t)), attrs, shape, dtype]),
  );
  return lines.join("\n");
};
/** Attributes as text: of loops and closures, what they hold. */
const said = (value: unknown): string => {
  if (isTensor(value)) return `(${textOf([value])})`;
  if (ArrayBuffer.isView(value)) return `[${Array.from(value as Float32Array)}]`;
  if (Array.isArray(value)) return `[${value.map(said)}]`;
  if (typeof value !== "object" || value === null) return String(value);
  return `{${Object.entries(value).map(([name, part]) => `${name}: ${said(part)}`)}}`;
};

/** What went wrong in somebody's function, in one line. */
export const told = (error: unknown): string => {
  const [line] = (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).split("\n");
  return line;
};

/**
 * A rule as a run takes it, tried on a step's graph. `contents` is what stands in its file.
 * Errors: InputError for what is no rule, or answers with other shapes, slots or scalars than it names.
 */
export const ownRule = (rule: unknown, from: string, contents: string | Uint8Array = ""): OwnRule => {
  expects("ownRule", "any text", rule, from);
  checkRule(rule, from);
  try {
    const text = textOf(oneStep(rule as Rule));
    return { rule: rule as Rule, digest: createHash("sha256").update(contents).update(text).digest("hex") };
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${from}: ${error instanceof ShapeError ? error.message.split("\n")[0] : told(error)}`);
  }
};
