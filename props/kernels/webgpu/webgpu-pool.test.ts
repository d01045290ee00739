/** Laws of the pool of GPU buffers, on a device that has so much memory and no more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Limits } from "../../../kernels/webgpu/adapter/limits.js";
import { createPool } from "../../../kernels/webgpu/pool.js";
import { createQueue, pending } from "../../../kernels/webgpu/queue.js";

interface Fake {
  readonly size: number;
  isThere: boolean;
}

/** What the pool needs of a GPU with `most` bytes: errors come late, as Dawn's do. */
const world = (most: number) => {
  const made: Fake[] = [];
  const errors: unknown[] = [];
  let lack: object | null = null;
  const device = {
    queue: { submit: () => {}, onSubmittedWorkDone: async () => {} },
    pushErrorScope: () => {
      lack = null;
    },
    popErrorScope: () => {
      const error = lack;
      return new Promise((resolve) => setTimeout(() => resolve(error)));
    },
    createBuffer: ({ size }: { size: number }) => {
      const inUse = made.reduce((sum, buffer) => sum + (buffer.isThere ? buffer.size : 0), 0);
      const buffer = { size, isThere: inUse + size <= most, destroy: () => Object.assign(buffer, { isThere: false }) };
      if (!buffer.isThere) lack = new Error("no memory");
      made.push(buffer);
      return buffer;
    },
  };
  const limits: Limits = {
    ...{ maxBufferSize: 2 ** 30, maxStorageBufferBindingSize: 2 ** 30, maxStorageBuffersPerShaderStage: 8 },
    ...{
      maxComputeWorkgroupsPerDimension: 65_535,
      maxComputeWorkgroupStorageSize: 32_768,
      minStorageBufferOffsetAlignment: 256,
    },
    minUniformBufferOffsetAlignment: 256,
  };
  const fail = (error: unknown) => errors.push(error);
  const queue = createQueue(fail);
  return { pool: createPool(device as unknown as GPUDevice, limits, queue, fail), queue, errors, made };
};

const isThere = ({ gpu }: { gpu: unknown }) => (gpu as Fake).isThere;

test("the free block of lowest id is taken, in whatever order they came back", () => {
  const { pool } = world(2 ** 20);
  const blocks = Array.from({ length: 5 }, () => pool.take(1024));
  for (const i of [3, 0, 4, 2, 1]) pool.give(blocks[i]);
  assert.deepEqual(
    blocks.map(() => pool.take(1024)),
    blocks,
  );
});

test("memory that lies free is given up before an allocation fails, and then no more is kept than there is", async () => {
  const { pool, queue, errors } = world(100_000);
  const runs: boolean[] = [];
  for (const bytes of [40_960, 61_440, 81_920, 40_960, 61_440]) {
    const block = pool.take(bytes);
    queue.push(() => runs.push(isThere(block)), block.there);
    pool.give(block);
    await queue.drained();
    assert.ok(pool.bytes() <= 100_000, `${pool.bytes()} bytes held`);
  }
  assert.deepEqual([runs, errors], [[true, true, true, true, true], []]);
});

test("what is really too much is an error that names it, and jobs behind it still have their turn", async () => {
  const { pool, queue, errors } = world(100_000);
  const [kept, block] = [pool.take(61_440), pool.take(61_440, "f32[15360]")];
  let ran = false;
  queue.push(() => {}, block.there);
  queue.push(() => {
    ran = true;
  });
  await queue.drained();
  assert.ok(ran && isThere(kept) && !isThere(block));
  assert.match(String(errors), /61440 bytes.* for f32\[15360\]/);
});

test("a free block that a job ahead will still use is not given up", async () => {
  const { pool, queue, errors } = world(100_000);
  let release = () => {};
  const gate = pending(
    new Promise<void>((resolve) => {
      release = resolve;
    }),
  );
  const first = pool.take(61_440);
  queue.push(() => assert.ok(isThere(first), "the first job's memory"), gate);
  pool.give(first); // as programs do: at once, for what comes behind
  const second = pool.take(81_920);
  queue.push(() => assert.ok(isThere(second), "the second job's memory"), second.there);
  await new Promise((resolve) => setTimeout(() => setTimeout(resolve)));
  assert.ok(isThere(first));
  release();
  await queue.drained();
  assert.deepEqual(errors, []);
});
