import { sizeOf } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { fixedKernel, type Launch, moved, type Word } from "../launch.js";
import { eachVector, storeSome } from "../rows.js";
import type { I32 } from "../wasm/expression.js";
import type { Body } from "../wasm/module.js";
import { i32, times4, v128 } from "../wasm/ops.js";

const copy = (body: Body, from: I32, to: I32, count: I32): void =>
  eachVector(body, count, [from, to], (left, source, target) => storeSome(body, target, v128.load(source), left));

const words = ["table", "rows", "first", "out", "slots", "count", "width"] as const;
/** One part of the table. In place nothing but the rows is written. */
const writeRowsKernel = fixedKernel("writeRows", words, (body, { table, rows, first, out, slots, count, width }) => {
  body.if(i32.ne(table, out), () => copy(body, table, out, i32.mul(slots, width)));
  const bytes = body.let(times4(width));
  const slot = body.let(i32.load(first));
  body.times(count, () => {
    // A negative slot is a large unsigned one.
    body.if(i32.lt_u(slot, slots), () => copy(body, rows, i32.add(out, i32.mul(slot, bytes)), width));
    body.advance(rows, bytes);
    body.set(slot, i32.add(slot, i32.const(1)));
  });
});

export const launchWriteRows = ({ inputs: [table, rows, first], output }: CallStep): Launch[] => {
  const [B, S] = table.shape;
  const T = rows.shape[1];
  const width = sizeOf(table.shape.slice(2));
  if (B * S * width === 0) return [];
  const blocks = Array.from({ length: B }, (_, b): Word[] => [
    moved(startOf(table), b * S * width),
    moved(startOf(rows), b * T * width),
    moved(startOf(first), b),
    moved(startOf(output), b * S * width),
    ...[S, T, width],
  ]);
  return [{ kernel: writeRowsKernel, blocks, work: (B * T * width) / 2 }];
};
