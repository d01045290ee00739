import { spelled } from "../../plan/simplify.js";
import type { Instruction } from "../../plan/steps.js";
import type { V128 } from "../wasm/expression.js";
import type { Body } from "../wasm/module.js";
import { f32x4 } from "../wasm/ops.js";
import { depthOf, type Hooks, type Nest } from "./nest.js";
import { emitConstant, emitOperation, fromMemory } from "./pointwise.js";
import { asValue, inMemory, type Pattern, type planWalk } from "./walk.js";

type Views = Parameters<typeof planWalk>[1];

/** An expression's instructions as code depends on them: strides of iotas are arguments, and stay out. */
export const codeKey = (body: readonly Instruction[]): string =>
  JSON.stringify(body, (_, value) =>
    typeof value === "number" ? spelled(value) : value?.op === "iota" ? { ...value, strides: undefined } : value,
  );

/** Strides of the iotas of an expression, in order. */
export const iotasOf = (body: readonly Instruction[]): (readonly number[])[] =>
  body.flatMap((instruction) => (instruction.op === "iota" ? [instruction.strides] : []));

/** The views of a walk: inputs and outputs in memory, then iotas. */
export const viewsOf = (memory: readonly (readonly number[])[], iotas: readonly (readonly number[])[]): Views => [
  ...memory.map(inMemory),
  ...iotas.map(asValue),
];

export interface Values {
  /** Local of each instruction, once its depth has been entered. */
  readonly values: readonly V128[];
  /** Computes, at a depth of the nest, everything that changes there and no deeper. */
  readonly enter: Hooks["enter"];
}

/**
 * Writes an expression into a nest: each instruction is one local, computed as far out as its operands allow. Its inputs
 * are the nest's first views; its iotas are those from `firstIota` on.
 */
export const emitExpression = (
  body: Body,
  instructions: readonly Instruction[],
  { views }: Pattern,
  firstIota: number,
): Values => {
  let iotas = firstIota;
  const viewAt = instructions.map((instruction) =>
    instruction.op === "load" ? instruction.input : instruction.op === "iota" ? iotas++ : -1,
  );
  const depths: number[] = [];
  instructions.forEach((instruction, i) => {
    if (viewAt[i] >= 0) depths.push(depthOf(views[viewAt[i]].steps));
    else depths.push("args" in instruction ? Math.max(...instruction.args.map((arg) => depths[arg])) : 0);
  });
  const values: V128[] = [];
  const compute = (instruction: Instruction, i: number, nest: Nest): V128 => {
    switch (instruction.op) {
      case "constant":
        return emitConstant(instruction.value, instruction.dtype);
      case "load":
        return fromMemory(nest.load(viewAt[i]), instruction.dtype);
      case "iota": {
        const value = nest.load(viewAt[i]);
        if (instruction.dtype !== "f32") return value;
        return f32x4.convert_i32x4_s(value);
      }
      default:
        return emitOperation(
          body,
          instruction,
          instruction.args.map((arg) => values[arg]),
        );
    }
  };
  const enter: Hooks["enter"] = (depth, nest) =>
    instructions.forEach((instruction, i) => {
      if (depths[i] === depth) values[i] = body.let(compute(instruction, i, nest));
    });
  return { values, enter };
};
