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
import type { Sharing } from "./sums.js";
import { bucketsOf, fromOwners, hostRoom, LARGEST, type Piece } from "./wire.js";
import type { Exchange } from "./workers.js";

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
    const setOut = async (bucket: readonly Piece[]): Promise<Exchange> => {
      const pieces: { owner: number; data: HostData }[] = [];
      for (const { name, from, to } of bucket) {
        const owner = shard.ownerOf(name);
        if (arrived[name] === undefined)
          arrived[name] =
            owner === workers.rank
              ? constantData(await download(own[name])).data
              : hostRoom(sizeOf(before[name].shape), before[name].dtype, device);
        pieces.push({ owner, data: arrived[name].subarray(from, to) });
      }
      return fromOwners(workers, what, pieces);
    };
    const arrive = async (bucket: readonly Piece[], exchange: Exchange): Promise<void> => {
      await exchange.end();
      for (const { name, to } of bucket) {
        const { shape, dtype } = before[name];
        if (to < sizeOf(shape)) continue;
        next[name] = name in own ? own[name] : upload(tensor(arrived[name], shape, dtype), device);
        if (!keep && !(name in own)) dispose(before[name]);
        delete arrived[name];
      }
    };
    /** While a bucket is on its way, the next one is read. */
    let flying: (() => Promise<void>) | undefined;
    for (const bucket of workers.isPlanned ? [] : bucketsOf(Object.entries(before), LARGEST)) {
      const exchange = await setOut(bucket);
      await flying?.();
      flying = () => arrive(bucket, exchange);
    }
    await flying?.();
    return Object.fromEntries(Object.keys(before).map((name) => [name, next[name] ?? own[name]]));
  } catch (error) {
    dispose(Object.values(next).filter((t) => !Object.values(own).includes(t)));
    throw error;
  }
};
