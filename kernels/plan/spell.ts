import type { Instruction } from "./steps.js";

/** A number as text that tells -0 from 0. */
export const spelled = (x: number): string => (Object.is(x, -0) ? "-0" : String(x));

/** An instruction as text, but for the strides of an iota: equal for equal code. */
export const spell = (x: Instruction): string => {
  switch (x.op) {
    case "load":
      return `load ${x.input} ${x.dtype}`;
    case "constant":
      return `${spelled(x.value)} ${x.dtype}`;
    case "iota":
      return `iota ${x.dtype}`;
    default:
      return `${x.op}(${x.args}) ${x.dtype} ${x.from}${x.domain === undefined ? "" : ` ${x.domain}`}`;
  }
};

/** An expression as text, but for the strides of its iotas. */
export const spellAll = (body: readonly Instruction[]): string => body.map(spell).join("; ");
