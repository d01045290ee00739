import { engine } from "../../platform/node/engine.js";
import type { V128 } from "./expression.js";
import { compileModule, createMemory, isValid, link } from "./host.js";
import { type Body, moduleBuilder } from "./module.js";
import { f32x4, i32, v128 } from "./ops.js";

/** A module that writes x·x - y to the start of its memory: 0 for this x and y where that is rounded twice. */
const probe = (): Uint8Array<ArrayBuffer> => {
  const module = moduleBuilder();
  const [x, y] = [1 + 2 ** -12, 1 + 2 ** -11].map(f32x4.splatConst);
  module.func({ export: "probe", params: [], result: undefined }, (body) =>
    body.do(v128.store(i32.const(0), f32x4.relaxed_madd(x, x, f32x4.neg(y)))),
  );
  return module.bytes();
};

/** Is there an instruction for a·b + c, and does it round once? */
interface Madd {
  readonly isThere: boolean;
  readonly roundsOnce: boolean;
}
let known: Madd | undefined;
/**
 * Asked once, when the first kernel that multiplies and adds is written. Node 20 has the instruction behind a flag of V8, which
 * may be set at any time; where the processor has none, engines round twice.
 */
export const madd = (): Madd => {
  if (known !== undefined) return known;
  const bytes = probe();
  if (!isValid(bytes)) engine.unlockRelaxedSimd();
  const isThere = isValid(bytes);
  const memory = createMemory(1);
  if (isThere) link(compileModule(bytes), memory).probe();
  known = { isThere, roundsOnce: new Float32Array(memory.buffer)[0] !== 0 };
  return known;
};

/** x·y + sum, rounded as the module's bits say: twice where they are portable, else once where the engine can. */
export const multiplyAdd = ({ module }: Body, x: V128, y: V128, sum: V128): V128 =>
  module.bits === "native" && madd().isThere ? f32x4.relaxed_madd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
