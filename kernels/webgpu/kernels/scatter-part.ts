import type { DType } from "../../../core/index.js";
import type { View } from "../../plan/steps.js";
import type { Access, Builder } from "../wgsl/module.js";

/** Rows `first` … `first + rows` of the result, and some positions: what one set of kernels adds up. */
export interface Part {
  readonly first: number;
  readonly rows: number;
  readonly ids: View;
  readonly updates: View;
  /** How the updates are stored. */
  readonly dtype: DType;
  readonly output: View;
  /** Of each position, what its kernels keep in scratch: four words on GPUs, else one. */
  readonly work: View;
  /** Are there positions before these? */
  readonly continues: boolean;
  /** Is it added to what lies in the result, which stays where no position has it? */
  readonly adds: boolean;
}

/** Words of a view, counted from where it begins. */
export const based = (k: Builder, { buffer, offset }: View, mode: "read" | "write"): Pick<Access, "load" | "store"> => {
  const [access, start] = [k.buffer(buffer, "u32", mode), k.param(offset)];
  return {
    load: (address) => access.load(`${start} + ${address}`),
    store: (address, value) => access.store(`${start} + ${address}`, value),
  };
};

/** The row of position i, counted from the part's first; `rows` if it is not one of them. */
export const rowAt = (k: Builder, { ids, first, rows }: Part, i: string): string => {
  const id = k.buffer(ids.buffer, "i32", "read").load(`${k.param(ids.offset)} + ${i}`);
  const [from, count] = [k.param(first), k.param(rows)];
  k.func("fn row_of(id: i32) -> u32", [
    `let row = u32(id) - ${from};`,
    `return select(${count}, row, id >= i32(${from}) && row < ${count});`,
  ]);
  return `row_of(${id})`;
};
