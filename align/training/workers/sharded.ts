import {
  compile,
  constantData,
  type Device,
  dispose,
  download,
  type HostData,
  read,
  reshape,
  sizeOf,
  sqrt,
  square,
  stack,
  sum,
  type Tensor,
  tensor,
  upload,
} from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";
import type { OptimizerState } from "../../../optim/optimizer.js";
import type { Objective } from "../../objectives/objective.js";
import { mapValues, partOf } from "../offload.js";
import {
  type Apply,
  judge,
  type Steady,
  type Stepper,
  type StepState,
  type Summed,
  update,
  type Verdict,
} from "../step.js";
import { only, type Shard } from "./shard.js";
import { bucketsOf, type Floats, fromOwners, PIECE, type Piece, sumToOwners, type Wire } from "./wire.js";
import { gathered, summed as summedOver, type Workers } from "./workers.js";

/** How a step is shared out. */
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
 * Sums gradients over ranks and leaves each at its owner, f32 on the device; takes over what it is given. While a bucket is on its
 * way the next one is read.
 */
const reduced = async (grads: Params, { workers, shard, wire }: Sharing, device: Device): Promise<Params> => {
  const read1 = async (name: string): Promise<Floats> => (await read(grads[name])) as Floats;
  const sums: Record<string, Floats> = {};
  let whole: { readonly name: string; readonly numbers: Floats } | undefined;
  let flying: Promise<unknown> = Promise.resolve();
  try {
    for (const bucket of bucketed(grads)) {
      const pieces: { name: string; owner: number; from: number; numbers: Floats }[] = [];
      for (const { name, from, to } of bucket) {
        if (whole?.name !== name) whole = { name, numbers: await read1(name) };
        pieces.push({ name, from, owner: shard.ownerOf(name), numbers: whole.numbers.subarray(from, to) });
      }
      await flying;
      const own = pieces.filter(({ owner }) => owner === workers.rank);
      flying = sumToOwners(workers, "its gradients", pieces, wire).then((found) => {
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

/** Sends each parameter from its owner to all, and takes over those before. */
const shared = async (before: Params, own: Params, { workers, shard }: Sharing, device: Device): Promise<Params> => {
  const next: Record<string, Tensor> = {};
  const arrived: Record<string, HostData> = {};
  try {
    for (const bucket of bucketed(before, PIECE)) {
      const pieces: { owner: number; data: HostData }[] = [];
      for (const { name, from, to } of bucket) {
        const owner = shard.ownerOf(name);
        if (arrived[name] === undefined)
          arrived[name] =
            owner === workers.rank ? constantData(await download(own[name])).data : roomFor(before[name], device);
        pieces.push({ owner, data: arrived[name].subarray(from, to) });
      }
      await fromOwners(workers, "the weights", pieces);
      for (const { name, to } of bucket) {
        const { shape, dtype } = before[name];
        if (to < sizeOf(shape)) continue;
        next[name] = name in own ? own[name] : upload(tensor(arrived[name], shape, dtype), device);
        if (!(name in own)) dispose(before[name]);
        delete arrived[name];
      }
    }
    return Object.fromEntries(Object.keys(before).map((name) => [name, next[name]]));
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

/**
 * `compileApply` over several ranks, each of which keeps moments, τ and other slots of its own parameters alone (ZeRO-1): gradients
 * are summed at their owners, who take the step, and the new weights go to all. Clipping goes by the norm of all gradients.
 * Laws: one rank's is `compileApply`; ranks change a sum's order, and nothing else. Source: Rajbhandari et al. 2020.
 */
export const compileSharded = (
  objective: Objective,
  stepper: Stepper,
  maxGradNorm: number | undefined,
  device: Device,
  sharing: Sharing,
): Apply => {
  const { workers, shard } = sharing;
  const name = `${objective.name} step`;
  const squaresOf = compile(
    (grads: Params) => stack(Object.keys(grads).map((leaf) => reshape(sum(square(grads[leaf])), []))),
    device,
    { name },
  );
  const judged = compile(
    (log: Tensor, totals: Tensor, squares: Tensor) =>
      judge(log, { norm: sqrt(sum(squares)), totals }, objective, maxGradNorm),
    device,
    { donate: [0], name },
  );
  const stepped = compile(
    (own: OptimizerState<Params>, grads: Params, verdict: Verdict, lr: Tensor, fixed: Steady) =>
      update(stepper, own, grads, verdict, { lr, ...fixed }),
    device,
    { donate: [0, 1], name },
  );

  /** Σg² of every parameter, wherever it is kept, in the order of all. */
  const squares = async (grads: Params, names: readonly string[]): Promise<Tensor> => {
    const here = shard.own.length === 0 ? undefined : squaresOf(grads);
    const own = here === undefined ? [] : Array.from(await read(here).finally(() => dispose(here)));
    const place = new Map(shard.own.map((leaf, i) => [leaf, own[i]]));
    const all = await gathered(
      workers,
      "the gradients' norms",
      names.map((leaf) => place.get(leaf) ?? 0),
    );
    return tensor(Float64Array.from(names, (leaf, i) => all[shard.ownerOf(leaf)][i]));
  };

  const apply = async (state: StepState, { grads, totals }: Summed, lr: number, fixed: Steady): Promise<StepState> => {
    const { params, slots, ...common } = state.optimizer;
    const names = Object.keys(params);
    const sums = tensor(await summedOver(workers, "the totals", (await read(totals)) as Floats), totals.shape, "f32");
    dispose(totals);
    const own = await reduced(grads, sharing, device);
    const { verdict, log } = judged(state.log, sums, await squares(own, names));
    try {
      const mine = { ...common, slots, params: only(params, shard.own) };
      const next = stepped(mine, own, verdict, lr, partOf(fixed, shard.own));
      return { optimizer: { ...next, params: await shared(params, next.params, sharing, device) }, log };
    } finally {
      dispose(verdict);
    }
  };
  return Object.assign(apply, {
    programs: () => [squaresOf, judged, stepped].flatMap((compiled) => compiled.programs()),
  });
};
