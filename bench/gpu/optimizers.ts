/** One step of AdamW, OnDARE and OnTIES over the leaves of a 1.8B model, or as many of its layers as memory takes: ms and GB/s. */
import assert from "node:assert/strict";
import {
  compile,
  type Device,
  dispose,
  evaluate,
  foldIn,
  key,
  mul,
  normal,
  read,
  slice,
  type Tensor,
  treeMap,
  zeros,
} from "../../core/index.js";
import { openWebgpu } from "../../kernels/index.js";
import { parameterShapes } from "../../models/index.js";
import { adamW, type Optimizer, onDare, onTies } from "../../optim/index.js";
import { drainOf } from "../device.js";
import { SHAPES } from "../shapes.js";
import { figure, isOutOfMemory, part, skipped, timed } from "./part.js";

type Params = { readonly [name: string]: Tensor };

/** Shapes of a model of so many layers; a 64th of each axis on software adapters. */
const shapesOf = (layers: number, software: boolean): Params =>
  Object.fromEntries(
    [...parameterShapes({ ...SHAPES.c, layers })].map(([name, shape]) => [
      name,
      zeros(software ? shape.map((size) => Math.ceil(size / 32)) : shape),
    ]),
  );

const drawn = (seed: number, size: number, like: Params, device: Device): Params => {
  let leaf = 0;
  return evaluate(
    treeMap((t: Tensor) => mul(normal(foldIn(key(seed), leaf++), t.shape), size), like) as Params,
    device,
  );
};

const run = async (rule: Optimizer, like: Params, device: Device): Promise<number> => {
  const drain = drainOf(device);
  const update = compile(
    (state: ReturnType<typeof rule.init<Params>>, grads: Params, tau: Params, lr: Tensor) =>
      rule.update(state, grads, { lr, tau }),
    device,
    { donate: [0], name: rule.name },
  );
  let state = evaluate(rule.init(drawn(1, 0.02, like, device)), device);
  const gradients = drawn(2, 1, like, device);
  const tau = rule.usesTau ? evaluate(rule.prepare(drawn(3, 0.01, like, device), state.key), device) : ({} as Params);
  const some = async () => {
    const cut = evaluate(slice(state.params["model.layers.0.mlp.up_proj.weight"], [0, 0], [2, 16]), device);
    const numbers = await read(cut);
    dispose(cut);
    return numbers;
  };
  const before = await some();
  const { median } = await timed(() => {
    state = update(state, gradients, tau, 1e-3);
  }, drain);
  const after = await some();
  assert.ok(
    after.every((value, i) => Number.isFinite(value) && Math.abs(value - before[i]) < 10),
    "finite, and near",
  );
  assert.ok(
    after.some((value, i) => value !== before[i]),
    "weights have moved",
  );
  return median;
};

/** Bytes a parameter that a step must read and write, f32: gradient, and w, m, v twice; τ. */
const BYTES = { adamw: 28, ondare: 32, onties: 32 } as const;
const RULES = {
  adamw: adamW(),
  ondare: onDare({ reserveP: 0.01, alpha: 1e-6 }),
  onties: onTies({ reserveP: 0.01, alpha: 1e-6 }),
} as const;

await part(async ({ adapter, software, left }) => {
  for (const name of Object.keys(RULES) as (keyof typeof RULES)[])
    for (let layers = software ? 2 : SHAPES.c.layers; ; layers = layers >> 1) {
      if (left() < 5 || layers < 1) {
        skipped(name, layers < 1 ? "memory holds no layer" : "no time left");
        break;
      }
      const like = shapesOf(layers, software);
      const count = Object.values(like).reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0);
      const device = await openWebgpu({ adapter }); // after an error it is of no use
      try {
        const seconds = await run(RULES[name], like, device);
        const rate = ((BYTES[name] * count) / seconds / 1e9).toPrecision(3);
        const fewer = software
          ? ", small for a software adapter"
          : layers < SHAPES.c.layers
            ? `, ${layers} layers, as many as memory takes`
            : "";
        const note = `${(count / 1e9).toPrecision(3)} G parameters${fewer}; ${rate} GB/s of ${BYTES[name]} bytes each`;
        figure(`${name} step`, 1e3 * seconds, "ms", { note });
        break;
      } catch (error) {
        if (!isOutOfMemory(error)) throw error;
        console.log(`  ${name} over ${layers} layers: ${(error as Error).message.split("\n")[0]}`);
      } finally {
        await device.close().catch(() => {});
      }
    }
});
