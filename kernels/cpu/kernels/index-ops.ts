import { bytesOf, type DType, sizeOf } from "../../../core/index.js";
import type { CallStep } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { blocksFor, cut, fixedKernel, type Launch, moved, type Word } from "../launch.js";
import { eachVector, loadFloats, storeSome, zeroRow } from "../rows.js";
import { f32x4, i32, times4, v128 } from "../wasm/ops.js";

const gatherWords = ["table", "ids", "out", "rows", "width", "count"] as const;
const gatherKernel = (dtype: DType) =>
  fixedKernel(`gather ${dtype}`, gatherWords, (body, { table, ids, out, rows, width, count }) => {
    const bytes = body.let(times4(width));
    const rowBytes = body.let(i32.mul(width, i32.const(bytesOf(dtype))));
    const id = body.local("i32");
    body.times(count, () => {
      body.set(id, i32.load(ids));
      body.if(
        i32.lt_u(id, rows), // a negative id is a large unsigned one
        () =>
          eachVector(
            body,
            width,
            [i32.add(table, i32.mul(id, rowBytes)), out],
            (left, from, to) => storeSome(body, to, loadFloats(body, from, dtype), left),
            [bytesOf(dtype), 4],
          ),
        () => zeroRow(body, out, width),
      );
      body.advance(ids, 4);
      body.advance(out, bytes);
    });
  });

/** Reads tables of 16-bit floats as they are stored. */
export const launchGather = ({ inputs: [table, ids], dtypes: [dtype], output }: CallStep): Launch[] => {
  const width = sizeOf(table.shape.slice(1));
  if (sizeOf(output.shape) === 0) return [];
  const count = sizeOf(ids.shape);
  const work = count * (width / 2 + 2);
  const blocks = cut(count, blocksFor(work)).map(({ from, size }): Word[] => [
    startOf(table, bytesOf(dtype)),
    moved(startOf(ids), from),
    moved(startOf(output), from * width),
    table.shape[0],
    width,
    size,
  ]);
  return [{ kernel: gatherKernel(dtype), blocks, work }];
};

/** One update after the other, in order, those of `rows` rows from `first` on: the same sums at each run. */
const scatterWords = ["ids", "updates", "out", "first", "rows", "width", "count"] as const;
const scatterKernel = fixedKernel("scatterAdd", scatterWords, (body, arg) => {
  const { ids, updates, out, first, rows, width, count } = arg;
  const bytes = body.let(times4(width));
  const id = body.local("i32");
  const sum = body.local("v128");
  zeroRow(body, out, i32.mul(rows, width));
  body.times(count, () => {
    body.set(id, i32.sub(i32.load(ids), first));
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
  const count = sizeOf(ids.shape);
  const work = (count + output.shape[0]) * width * 0.5;
  const blocks = cut(output.shape[0], blocksFor(work)).map(({ from, size }): Word[] => [
    startOf(ids),
    startOf(updates),
    moved(startOf(output), from * width),
    from,
    size,
    width,
    count,
  ]);
  return [{ kernel: scatterKernel, blocks, work }];
};
