import type { DType } from "../../../core/index.js";
import type { Instruction } from "../../plan/steps.js";
import type { V128 } from "../wasm/expression.js";
import type { Body } from "../wasm/module.js";
import { f32x4, i32 } from "../wasm/ops.js";
import { depthOf, type Hooks, type Nest } from "./nest.js";
import { emitConstant, emitOperation, fromMemory, type Operation } from "./pointwise.js";
import { randomWords, type Words } from "./threefry.js";
import { asValue, inMemory, type Pattern, type planWalk } from "./walk.js";

type Views = Parameters<typeof planWalk>[1];

/** Strides of the iotas of an expression, in order. */
export const iotasOf = (body: readonly Instruction[]): (readonly number[])[] =>
  body.flatMap((instruction) => (instruction.op === "iota" ? [instruction.strides] : []));

/** How the inputs of an expression are stored. */
export const inputDtypes = (body: readonly Instruction[]): DType[] => {
  const dtypes: DType[] = [];
  for (const instruction of body) if (instruction.op === "load") dtypes[instruction.input] = instruction.dtype;
  return dtypes;
};

/** The views of a walk, by their strides: inputs and outputs in memory, of these dtypes, then iotas. */
export const viewsOf = (strides: readonly (readonly number[])[], dtypes: readonly DType[]): Views =>
  strides.map((s, v) => (v < dtypes.length ? inMemory(s, dtypes[v]) : asValue(s)));

export interface Values {
  /** Local of each instruction, once its depth has been entered. */
  readonly values: readonly V128[];
  /** Computes, at a depth of the nest, everything that changes there and no deeper. */
  readonly enter: Hooks["enter"];
  /** Random words come in pairs of vectors. */
  readonly isPair: Hooks["isPair"];
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
  /** The iota that counts the elements of a vector one by one, if this instruction draws words at it. */
  const countedBy = (instruction: Instruction): number => {
    if (instruction.op !== "randomBits") return -1;
    const v = viewAt[instruction.args[2]];
    return v >= 0 && views[v].unit === "ones" && views[v].steps.endsWith("1") ? v : -1;
  };
  const counter = Math.max(...instructions.map(countedBy));
  const drawn = new Map<number, Words>();
  const values: V128[] = [];
  const compute = (instruction: Instruction, i: number, nest: Nest): V128 => {
    switch (instruction.op) {
      case "constant":
        return emitConstant(instruction.value, instruction.dtype);
      case "load":
        return fromMemory(body, nest.load(viewAt[i]), instruction.dtype);
      case "iota": {
        const value = nest.load(viewAt[i]);
        if (instruction.dtype !== "f32") return value;
        return f32x4.convert_i32x4_s(value);
      }
      default: {
        const args = instruction.args.map((arg) => values[arg]);
        if (nest.ofPair === undefined || countedBy(instruction) !== counter)
          return emitOperation(body, instruction, args);
        const [k0, k1, index] = args;
        const words = drawn.get(i) ?? randomWords(body, k0, k1, index, (instruction as Operation).domain as number);
        drawn.set(i, words);
        return nest.ofPair === 0 ? words.a : words.b;
      }
    }
  };
  const enter: Hooks["enter"] = (depth, nest) =>
    instructions.forEach((instruction, i) => {
      if (depths[i] === depth) values[i] = body.let(compute(instruction, i, nest));
    });
  // Words of eight elements come from the same blocks.
  const isPair = (nest: Nest) => i32.eqz(i32.and(nest.value(counter), i32.const(7)));
  return { values, enter, isPair: counter < 0 ? undefined : isPair };
};
