import {
  constantData,
  type Device,
  dispose,
  download,
  type HostData,
  read,
  sizeOf,
  type Tensor,
  tensor,
  upload,
} from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";
import { mapValues } from "../offload.js";
import type { Shard } from "./shard.js";
import { bucketsOf, type Floats, fromOwners, PIECE, type Piece, sumToOwners, type Wire } from "./wire.js";
import type { Workers } from "./workers.js";

/** How what all ranks have is summed, and by whom. */
export interface Sharing {
  readonly workers: Workers;
  readonly shard: Shard;
  readonly wire: Wire;
}

const bucketed = (params: Params, most?: number): Piece[][] =>
  bucketsOf(
    Object.entries(params).map(([name, { shape }]) => [name, sizeOf(shape)] as const),
    most,
  );

/**
 * Sums a tree over ranks and leaves each parameter's at its owner, f32 on the device; takes over what it is given. While a bucket is
 * on its way the next one is read.
 */
export const reduced = async (
  grads: Params,
  what: string,
  { workers, shard, wire }: Sharing,
  device: Device,
): Promise<Params> => {
  const read1 = async (name: string): Promise<Floats> => (await read(grads[name])) as Floats;
  const sums: Record<string, Floats> = {};
  let whole: { readonly name: string; readonly numbers: Floats } | undefined;
  let flying: Promise<unknown> = Promise.resolve();
  try {
    if (workers.isPlanned) for (const name of shard.own) sums[name] = await read1(name);
    for (const bucket of workers.isPlanned ? [] : bucketed(grads)) {
      const pieces: { name: string; owner: number; from: number; numbers: Floats }[] = [];
      for (const { name, from, to } of bucket) {
        if (whole?.name !== name) whole = { name, numbers: await read1(name) };
        pieces.push({ name, from, owner: shard.ownerOf(name), numbers: whole.numbers.subarray(from, to) });
      }
      await flying;
      const own = pieces.filter(({ owner }) => owner === workers.rank);
      flying = sumToOwners(workers, what, pieces, wire).then((found) => {
        found.forEach((numbers, i) => {
          const { name, from } = own[i];
          const size = sizeOf(grads[name].shape);
          if (numbers.length === size) sums[name] = numbers;
          else {
            sums[name] ??= new (numbers.constructor as new (n: number) => Floats)(size);
            sums[name].set(numbers, from);
          }
        });
      });
      flying.catch(() => {}); // awaited in a moment
    }
    await flying;
    const shapes = mapValues(grads, ({ shape }) => shape);
    dispose(grads);
    return upload(Object.fromEntries(shard.own.map((name) => [name, tensor(sums[name], shapes[name], "f32")])), device);
  } catch (error) {
    await flying.catch(() => {});
    throw error;
  }
};

/** Sends each parameter from its owner to all, and frees others' that were there `before`, unless they are kept. */
export const spread = async (
  before: Params,
  own: Params,
  what: string,
  { workers, shard }: Omit<Sharing, "wire">,
  device: Device,
  keep = false,
): Promise<Params> => {
  const next: Record<string, Tensor> = {};
  const arrived: Record<string, HostData> = {};
  try {
    if (workers.isPlanned)
      for (const [name, w] of Object.entries(before))
        if (!(name in own)) next[name] = keep ? upload(tensor(await read(w), w.shape, w.dtype), device) : w;
    for (const bucket of workers.isPlanned ? [] : bucketed(before, PIECE)) {
      const pieces: { owner: number; data: HostData }[] = [];
      for (const { name, from, to } of bucket) {
        const owner = shard.ownerOf(name);
        if (arrived[name] === undefined)
          arrived[name] =
            owner === workers.rank ? constantData(await download(own[name])).data : roomFor(before[name], device);
        pieces.push({ owner, data: arrived[name].subarray(from, to) });
      }
      await fromOwners(workers, what, pieces);
      for (const { name, to } of bucket) {
        const { shape, dtype } = before[name];
        if (to < sizeOf(shape)) continue;
        next[name] = name in own ? own[name] : upload(tensor(arrived[name], shape, dtype), device);
        if (!keep && !(name in own)) dispose(before[name]);
        delete arrived[name];
      }
    }
    return Object.fromEntries(Object.keys(before).map((name) => [name, next[name] ?? own[name]]));
  } catch (error) {
    dispose(Object.values(next).filter((t) => !Object.values(own).includes(t)));
    throw error;
  }
};

const roomFor = ({ shape, dtype }: Tensor, { name }: Device): HostData => {
  const n = sizeOf(shape);
  if (dtype !== "f32") return new Uint16Array(n);
  return name === "reference" ? new Float64Array(n) : new Float32Array(n);
};
