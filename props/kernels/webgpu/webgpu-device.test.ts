import assert from "node:assert/strict";
import { test } from "node:test";
import {
  add,
  compile,
  type Device,
  DeviceError,
  dispose,
  exp,
  leaves,
  matmul,
  mul,
  read,
  softmax,
  sub,
  sum,
  type Tensor,
  tensor,
  upload,
  valueAndGrad,
} from "../../../core/index.js";
import { open, openWebgpu } from "../../../kernels/index.js";
import { classOf } from "../../../kernels/webgpu/pool.js";
import { createQueue, pending } from "../../../kernels/webgpu/queue.js";
import { agrees } from "../../close.js";
import { presentDevices } from "../../devices.js";
import { eighths } from "../../generators/generators.js";
import { webgpuCheck } from "./webgpu-variants.js";

/** Steps of a little classifier, its weights donated from step to step. */
const descend = async (device: Device, steps: number, look: (step: number) => void): Promise<number> => {
  const loss = (w: Tensor, x: Tensor) => sum(mul(softmax(matmul(x, w)), x));
  const step = compile(
    (w: Tensor, x: Tensor, rate: Tensor) => {
      const [value, gradient] = valueAndGrad(loss)(w, x);
      return [value, sub(w, mul(rate, gradient))];
    },
    device,
    { donate: [0] },
  );
  let [w, x] = upload([eighths([12, 12], 1), eighths([30, 12], 2)], device);
  let last = Number.NaN;
  for (let i = 0; i < steps; i++) {
    const [value, next] = step(w, x, 0.1 / (i + 1)) as Tensor[];
    last = (await read(value))[0];
    dispose(value);
    w = next;
    look(i);
  }
  dispose(w, x);
  for (const program of step.programs()) program.free();
  return last;
};

webgpuCheck("a second step compiles nothing, and live buffers stay flat", async (device) => {
  const before = device.stats();
  const seen: string[] = [];
  await descend(device, 6, () => {
    const { kernels, programs, liveBuffers, liveBytes } = device.stats();
    seen.push([kernels, programs, liveBuffers, liveBytes].join());
  });
  assert.deepEqual(new Set(seen), new Set([seen[0]]));
  assert.equal(device.stats().liveBuffers, before.liveBuffers);
  assert.equal(device.stats().liveBytes, before.liveBytes);
});

webgpuCheck("kernels are generic in shape: other sizes compile nothing", async (device) => {
  const f = compile((x: Tensor, y: Tensor) => sum(exp(sub(x, y)), 1), device);
  const kernels: number[] = [];
  for (const [rows, width] of [
    [3, 5],
    [7, 9],
    [20, 31],
  ]) {
    const result = f(eighths([rows, width], 1), eighths([rows, 1], 2)) as Tensor;
    await read(result);
    dispose(result);
    kernels.push(device.stats().kernels);
  }
  assert.equal(kernels[2], kernels[0]);
});

webgpuCheck("work queued behind a build keeps its order, though buffers change hands meanwhile", async (device) => {
  const f = compile((x: Tensor) => add(mul(x, 3), exp(mul(x, 0))), device); // 3x + 1, not compiled yet
  let x = upload(tensor(new Float32Array(1000).fill(1)), device);
  for (let i = 0; i < 6; i++) {
    const next = f(x) as Tensor;
    dispose(x); // its buffer may be taken by the next upload
    dispose(upload(tensor(new Float32Array(1000).fill(-7)), device));
    x = next;
  }
  let want = 1;
  for (let i = 0; i < 6; i++) want = 3 * want + 1;
  assert.deepEqual([...(await read(x))], new Array(1000).fill(want));
  dispose(x);
});

webgpuCheck("empty tensors work", async (device) => {
  await agrees(
    (x: Tensor, y: Tensor) => [add(x, 1), matmul(x, y), sum(x, 0), matmul(y, x)],
    [eighths([0, 3], 1), eighths([3, 0], 2)],
    device,
    {},
  );
});

webgpuCheck(
  "more workgroups than one axis of a grid takes",
  async (device) => {
    const size = 65536 * 64 + 17;
    const f = compile((x: Tensor) => sum(add(x, 1)), device);
    const g = compile((x: Tensor) => add(x, 1), device);
    const x = upload(tensor(new Float32Array(size)), device);
    const [total, one] = [f(x) as Tensor, g(x) as Tensor];
    assert.equal((await read(total))[0], size);
    const numbers = await read(one);
    assert.ok(numbers.every((value) => value === 1));
    dispose(x, total, one);
  },
  ["cpu"],
);

webgpuCheck(
  "a tensor that no buffer holds is refused with its size and the limit",
  async (device) => {
    assert.throws(
      () => device.upload({ byteLength: 2 ** 40, length: 2 ** 38 } as unknown as Float32Array, [2 ** 38], "f32"),
      (error) =>
        error instanceof DeviceError &&
        /1099511627776 bytes asked, \d+ in use, \d+ at most in one buffer, for f32\[274877906944\]/.test(error.message),
    );
  },
  ["cpu"],
);

if ((await presentDevices()).includes("webgpu"))
  test("what Dawn objects to is thrown by the next read [webgpu]", async () => {
    const [one, other] = [await openWebgpu(), await openWebgpu()];
    const foreign = other.upload(new Float32Array(4), [4], "f32");
    const program = await new Promise<{ run: (buffers: (typeof foreign)[]) => (typeof foreign)[] }>((resolve) => {
      const spy: Device = {
        ...one,
        build: (graph) => {
          const made = one.build(graph);
          resolve(made);
          return made;
        },
      };
      dispose(...leaves(compile((x: Tensor) => add(x, 1), spy)(upload(eighths([4], 1), spy))));
    });
    const [result] = program.run([foreign]); // a buffer of another device
    await assert.rejects(one.read(result, [4], "f32"), DeviceError);
    await one.close();
    await other.close();
  });

test("a queue runs jobs in order, each when its needs are met", async () => {
  const order: number[] = [];
  const queue = createQueue((error) => assert.fail(String(error)));
  let release = () => {};
  const needs = pending(
    new Promise<void>((resolve) => {
      release = resolve;
    }),
  );
  queue.push(() => order.push(1));
  queue.push(() => order.push(2), needs);
  queue.push(() => order.push(3));
  assert.deepEqual(order, [1]);
  release();
  await queue.drained();
  queue.push(() => order.push(4), needs);
  assert.deepEqual(order, [1, 2, 3, 4]);
});

test("size classes hold what is asked for and waste under 1/64, and under 1 MiB", () => {
  for (let bytes = 1; bytes < 2 ** 33; bytes = Math.ceil(bytes * 1.37) + 1) {
    const size = classOf(bytes);
    assert.ok(size >= bytes && size % 4 === 0 && classOf(size) === size, `${bytes} → ${size}`);
    if (bytes > 16_384) assert.ok(size < Math.min(bytes * (1 + 1 / 64) + 4, bytes + 2 ** 20), `${bytes} → ${size}`);
  }
});

test("an unknown device is an input error", async () => {
  await assert.rejects(open("tpu" as "cpu"), /use one of auto, webgpu, cpu, reference/);
});
