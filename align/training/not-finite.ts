import { dispose, read } from "../../core/index.js";
import { firstNotFinite } from "../../models/files/dtypes.js";
import type { Params } from "../../models/parameters.js";
import type { TrainingBatch } from "../data/rows.js";
import type { BatchTensors } from "../objectives/log-probs.js";
import type { Objective } from "../objectives/objective.js";
import type { Feeder } from "./reference.js";
import type { Carry, Summed } from "./step.js";
import { texts, type Workers } from "./workers/workers.js";

/** What a step computes with. */
export interface FailedStep {
  readonly objective: Objective;
  readonly feed: Feeder["feed"];
  /** Adds a batch's gradients to those carried, as the run does it; frees what is carried. `number` is the batch's in its step. */
  readonly gradients: (params: Params, batch: BatchTensors, scale: number, number: number, carry: Carry) => Summed;
  readonly workers: Workers;
}

/** More names than a line holds help nobody. */
const MOST_ROWS = 16;

const rowsIn = ({ rowIds = [] }: TrainingBatch): string =>
  rowIds.length > MOST_ROWS
    ? `${rowIds.slice(0, MOST_ROWS).join(", ")} and ${rowIds.length - MOST_ROWS} more`
    : rowIds.join(", ");

/** Where a tree first holds a NaN or an infinity, in words; undefined if nowhere. */
const firstIn = async (tree: Params, what: string): Promise<string | undefined> => {
  for (const [name, leaf] of Object.entries(tree)) {
    const data = await read(leaf);
    const found = firstNotFinite(data);
    if (found !== undefined) return `${what} "${name}" holds ${data[found]} at element ${found}`;
  }
  return undefined;
};

/** Where the gradients are largest: finite numbers can have a norm that is not. */
const largestIn = async (grads: Params): Promise<string> => {
  let largest = { name: "", value: 0 };
  for (const [name, leaf] of Object.entries(grads))
    for (const x of await read(leaf)) if (Math.abs(x) > largest.value) largest = { name, value: Math.abs(x) };
  return `the norm of the gradients overflows; they reach ${largest.value.toExponential(1)} in "${largest.name}"`;
};

/** What is wrong with one batch, or undefined. */
const wrongWith = async (
  { feed, gradients }: FailedStep,
  params: Params,
  batch: TrainingBatch,
  scale: number,
): Promise<string | undefined> => {
  const made = feed(batch, (tensors) => gradients(params, tensors, scale, 0, {}));
  try {
    const [loss] = await read(made.totals);
    const said = Number.isFinite(loss) ? [] : [`the loss is ${loss}`];
    const where = await firstIn(made.grads, "the gradient of");
    if (where !== undefined) said.push(where);
    return said.length > 0 ? said.join(", and ") : undefined;
  } finally {
    dispose(made.grads, made.totals);
  }
};

/** The same of all batches together: each may be finite, and their sum not. */
const overflowIn = async (
  { feed, gradients }: FailedStep,
  params: Params,
  group: readonly TrainingBatch[],
  scale: number,
): Promise<string> => {
  let carry: Carry = {};
  try {
    for (const [i, batch] of group.entries())
      carry = feed(batch, (tensors) => gradients(params, tensors, scale, i, carry));
    const grads = carry.grads as Params;
    return (await firstIn(grads, "the summed gradient of")) ?? (await largestIn(grads));
  } finally {
    dispose(carry);
  }
};

/**
 * Says in one line why a step was not finite: the step, the first tensor, and the rows of the batch. `params` are the weights
 * before the step. Runs only after such a step, since it computes the batches again and reads every gradient.
 */
export const notFinite = async (
  parts: FailedStep,
  params: Params,
  group: readonly TrainingBatch[],
  step: number,
): Promise<string> => {
  const scale = 1 / group.reduce((sum, batch) => sum + parts.objective.units(batch), 0);
  type Cause = { readonly what: string; readonly rows: string; readonly isSure: boolean };
  const look = async (): Promise<Cause> => {
    const weight = await firstIn(params, "the weight");
    if (weight !== undefined) return { what: weight, rows: "", isSure: true };
    for (const batch of group) {
      const wrong = await wrongWith(parts, params, batch, scale);
      if (wrong !== undefined) return { what: wrong, rows: rowsIn(batch), isSure: true };
    }
    const overflow = await overflowIn(parts, params, group, scale);
    return { what: overflow, rows: group.map(rowsIn).join(", "), isSure: false };
  };
  const own = await look().catch((): Cause => ({ what: "loss or gradients are not finite", rows: "", isSure: false }));
  // Each worker has looked at its own rows.
  const said = await texts(parts.workers, "why a step is not finite", JSON.stringify(own));
  const causes = said.map((text) => JSON.parse(text) as Cause);
  const { what, rows } = causes.find(({ isSure }) => isSure) ?? causes[0];
  const mend =
    step === 1 ? "look at these rows, and at the models" : "the run has diverged: lower learning_rate, or raise beta";
  return `step ${step}: ${what}${rows === "" ? "" : ` (rows ${rows})`}; the weights are those of step ${step - 1}; ${mend}`;
};
