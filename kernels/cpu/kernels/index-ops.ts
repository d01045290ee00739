import { sizeOf } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { fixedKernel, type Launch } from "../launch.js";
import { eachVector, storeSome, zeroRow } from "../rows.js";
import { f32x4, i32, v128 } from "../wasm/ops.js";

const gatherKernel = fixedKernel("gather", ["table", "ids", "out", "rows", "width", "count"], (body, arg) => {
  const { table, ids, out, rows, width, count } = arg;
  const bytes = body.let(i32.shl(width, i32.const(2)));
  const id = body.local("i32");
  body.times(count, () => {
    body.set(id, i32.load(ids));
    body.if(
      i32.lt_u(id, rows), // a negative id is a large unsigned one
      () =>
        eachVector(body, width, [i32.add(table, i32.mul(id, bytes)), out], (left, from, to) =>
          storeSome(body, to, v128.load(from), left),
        ),
      () => zeroRow(body, out, width),
    );
    body.advance(ids, 4);
    body.advance(out, bytes);
  });
});

export const launchGather = ({ inputs: [table, ids], output }: CallStep): Launch[] => {
  const width = sizeOf(table.shape.slice(1));
  if (sizeOf(output.shape) === 0) return [];
  const words = [startOf(table), startOf(ids), startOf(output), table.shape[0], width, sizeOf(ids.shape)];
  return [{ kernel: gatherKernel, words, scratch: 0 }];
};

/** One update after the other, in order: the same sums at each run. */
const scatterKernel = fixedKernel("scatterAdd", ["ids", "updates", "out", "rows", "width", "count"], (body, arg) => {
  const { ids, updates, out, rows, width, count } = arg;
  const bytes = body.let(i32.shl(width, i32.const(2)));
  const id = body.local("i32");
  const sum = body.local("v128");
  zeroRow(body, out, i32.mul(rows, width));
  body.times(count, () => {
    body.set(id, i32.load(ids));
    body.if(i32.lt_u(id, rows), () =>
      eachVector(body, width, [updates, i32.add(out, i32.mul(id, bytes))], (left, from, to) => {
        body.set(sum, f32x4.add(v128.load(to), v128.load(from)));
        storeSome(body, to, sum, left);
      }),
    );
    body.advance(ids, 4);
    body.advance(updates, bytes);
  });
});

export const launchScatterAdd = ({ inputs: [ids, updates], output }: CallStep): Launch[] => {
  const width = sizeOf(output.shape.slice(1));
  if (sizeOf(output.shape) === 0) return [];
  const words = [startOf(ids), startOf(updates), startOf(output), output.shape[0], width, sizeOf(ids.shape)];
  return [{ kernel: scatterKernel, words, scratch: 0 }];
};
