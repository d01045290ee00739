import { engine } from "../../platform/node/engine.js";
import type { V128 } from "./expression.js";
import { isValid } from "./host.js";
import { moduleBuilder } from "./module.js";
import { f32x4 } from "./ops.js";

let hasMadd: boolean | undefined;
/**
 * Is there one instruction for a·b + c? Asked once, when the first kernel that multiplies and adds is written. Node 20 has it
 * behind a flag of V8, which may be set at any time.
 */
const knowsMadd = (): boolean => {
  if (hasMadd !== undefined) return hasMadd;
  const probe = moduleBuilder();
  probe.func({ params: ["v128"], result: "v128" }, (body, x) => body.return(f32x4.relaxed_madd(x, x, x)));
  const bytes = probe.bytes();
  if (!isValid(bytes)) engine.unlockRelaxedSimd();
  hasMadd = isValid(bytes);
  return hasMadd;
};

/** x·y + sum, rounded once where the engine can, else twice. */
export const multiplyAdd = (x: V128, y: V128, sum: V128): V128 =>
  knowsMadd() ? f32x4.relaxed_madd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
