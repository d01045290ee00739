import type { ReduceStep } from "../../plan/steps.js";
import type { Kernel } from "../launch.js";
import { accumulateDouble, roundDouble, storeSome } from "../rows.js";
import { loadWord, type V128 } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { f32x4, f64x2, i32, i32x4, roundUp4, v128 } from "../wasm/ops.js";
import { emitExpression } from "./expression.js";
import { emitNest } from "./nest.js";
import { argumentCount, type Pattern } from "./walk.js";

/** Accumulators of all columns, in scratch memory, four at a time. */
interface Accumulators {
  /** Bytes of four. */
  readonly bytes: number;
  readonly start: (at: Local<"i32">) => void;
  readonly take: (at: Local<"i32">, x: V128) => void;
  readonly total: (at: Local<"i32">) => V128;
}

const floatSums = (body: Body): Accumulators => ({
  bytes: 32,
  start: (at) => {
    body.do(v128.store(at, f64x2.splatConst(0)));
    body.do(v128.store(at, f64x2.splatConst(0), 16));
  },
  take: (at, x) => accumulateDouble(body, at, body.let(x)),
  total: roundDouble,
});

const lanewise = (body: Body, combine: (a: V128, b: V128) => V128, neutral: V128): Accumulators => ({
  bytes: 16,
  start: (at) => body.do(v128.store(at, neutral)),
  take: (at, x) => body.do(v128.store(at, combine(v128.load(at), x))),
  total: (at) => v128.load(at),
});

const accumulatorsOf = (body: Body, { reduce, dtype }: ReduceStep): Accumulators => {
  if (reduce === "max") return lanewise(body, f32x4.max, f32x4.splatConst(Number.NEGATIVE_INFINITY));
  return dtype === "f32" ? floatSums(body) : lanewise(body, i32x4.add, i32x4.splatConst(0));
};

/**
 * Reduces over the axes between `outside` and the innermost one, whose columns are kept: rows are read as they lie, into
 * accumulators that stay in the cache. Two more arguments: the output, and scratch memory for the accumulators.
 */
export const columnKernel = (step: ReduceStep, pattern: Pattern, outside: number, code: string): Kernel => ({
  key: `column ${code}`,
  write: (module, name) =>
    module.func({ export: name, params: ["i32"], result: undefined }, (body, args) => {
      const count = argumentCount(pattern);
      const output = body.let(loadWord(args, count));
      const scratch = body.let(loadWord(args, count + 1));
      const columns = body.let(loadWord(args, pattern.views.length + pattern.rank - 1));
      const expression = emitExpression(body, step.body, pattern, step.inputs.length);
      const accumulators = accumulatorsOf(body, step);
      const at = body.local("i32");
      const eachFour = (block: (left: Local<"i32">) => void) => {
        const left = body.let(columns);
        body.set(at, scratch);
        body.repeat(() => {
          block(left);
          body.advance(at, accumulators.bytes);
          body.advance(left, -4);
          return i32.gt_s(left, i32.const(0));
        });
      };
      emitNest(body, args, pattern, {
        isPair: expression.isPair,
        enter: (depth, nest) => {
          if (depth === outside) eachFour(() => accumulators.start(at));
          expression.enter(depth, nest);
          if (depth === pattern.rank - 1) body.set(at, scratch);
          if (depth < pattern.rank) return;
          accumulators.take(at, expression.values[step.value]);
          body.advance(at, accumulators.bytes);
        },
        leave: (depth) => {
          if (depth !== outside) return;
          eachFour((left) => {
            storeSome(body, output, accumulators.total(at), left);
            body.advance(output, 16);
          });
          body.advance(output, i32.mul(i32.sub(columns, roundUp4(columns)), i32.const(4)));
        },
      });
    }),
});
