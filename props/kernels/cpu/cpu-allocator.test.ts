import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  compile,
  DeviceError,
  dispose,
  exp,
  matmul,
  softmax,
  sum,
  type Tensor,
  tensor,
  transpose,
  upload,
} from "../../../core/index.js";
import { createAllocator, PADDING } from "../../../kernels/cpu/allocator.js";
import { createCompiler } from "../../../kernels/cpu/compiler.js";
import { createHeap } from "../../../kernels/cpu/heap.js";
import { createProgram } from "../../../kernels/cpu/program.js";
import { createAlone } from "../../../kernels/cpu/threads/pool.js";
import { openCpu } from "../../../kernels/index.js";
import { plan } from "../../../kernels/plan/plan.js";

const START = 1024;
const LIMIT = 2 ** 20;

/** Requests, each of which frees some earlier block, or none, after it. */
const traffic = () =>
  fc.array(
    fc.record({ bytes: fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 20000 })), frees: fc.option(fc.nat({ max: 99 })) }),
    { maxLength: 120 },
  );

const fresh = () => {
  let end = START;
  const allocator = createAllocator(START, LIMIT, (to) => {
    end = Math.max(end, to);
    return true;
  });
  return { allocator, end: () => end };
};

/** Plays the requests; calls `check` with all live blocks after each. */
const play = (
  allocator: ReturnType<typeof createAllocator>,
  requests: readonly { bytes: number; frees: number | null }[],
  check: (live: ReadonlyMap<number, number>) => void,
): Map<number, number> => {
  const live = new Map<number, number>();
  for (const { bytes, frees } of requests) {
    let address: number;
    try {
      address = allocator.allocate(bytes);
    } catch (error) {
      assert.ok(error instanceof DeviceError);
      continue;
    }
    live.set(address, bytes);
    const victim = frees === null ? undefined : [...live.keys()][frees % live.size];
    if (victim !== undefined) {
      allocator.release(victim);
      live.delete(victim);
    }
    check(live);
  }
  return live;
};

test("blocks are aligned, padded, inside the memory, and never overlap", () =>
  fc.assert(
    fc.property(traffic(), (requests) => {
      const { allocator, end } = fresh();
      play(allocator, requests, (live) => {
        const sorted = [...live].sort(([a], [b]) => a - b);
        sorted.forEach(([address, bytes], i) => {
          assert.equal(address % 16, 0);
          assert.ok(address >= START);
          assert.ok(address + bytes + PADDING <= (sorted[i + 1]?.[0] ?? end()));
        });
        assert.equal(allocator.liveBlocks(), live.size);
      });
    }),
  ));

test("what is given back is one block again; no repetition of a traffic needs more than all of it at once", () =>
  fc.assert(
    fc.property(traffic(), (requests) => {
      const { allocator, end } = fresh();
      const all = requests.reduce((total, { bytes }) => total + Math.ceil((bytes + PADDING) / 16) * 16, START);
      for (let round = 0; round < 4; round++) {
        for (const address of play(allocator, requests, () => {}).keys()) allocator.release(address);
        assert.equal(allocator.liveBytes(), 0);
        assert.ok(end() <= all);
      }
      const whole = end() - START - PADDING;
      if (whole <= 0) return;
      const before = end();
      assert.equal(allocator.allocate(whole), START);
      assert.equal(end(), before);
    }),
    { endOnFailure: true },
  ));

test("too much is a DeviceError with the numbers, and leaves the allocator as it was", () => {
  const { allocator } = fresh();
  const kept = allocator.allocate(1000);
  const before = allocator.liveBytes();
  assert.throws(
    () => allocator.allocate(LIMIT),
    (error: Error) => error instanceof DeviceError && error.message.includes(String(LIMIT)),
  );
  assert.equal(allocator.liveBytes(), before);
  allocator.release(kept);
  assert.throws(() => allocator.release(kept), DeviceError);
  assert.equal(allocator.liveBytes(), 0);
});

test("a run of a program takes its outputs and nothing else; a freed program gives everything back", () => {
  const heap = createHeap();
  const pool = createAlone(heap.memory);
  const scratch = heap.allocate(1e6);
  const empty = heap.liveBlocks();
  const x = tensor(
    Float32Array.from({ length: 600 }, (_, i) => i / 600),
    [20, 30],
  );
  const products = matmul(exp(x), transpose(x));
  const outputs = [sum(products, 0), softmax(add(products, 1))];
  const program = createProgram(
    plan({ inputs: [], outputs }, { fused: new Set(), maxBuffers: 8, inPlace: true, batches: false }),
    {
      heap,
      compiler: createCompiler(heap, pool),
      pool,
      scratch: (bytes) => {
        assert.ok(bytes <= 1e6);
        return scratch;
      },
      onLaunch: () => {},
    },
  );
  assert.ok(program.memory.temporaries > 0);
  const built = heap.liveBlocks();
  assert.ok(built > empty);
  for (let i = 0; i < 3; i++) {
    const results = program.run([]);
    assert.equal(heap.liveBlocks(), built + outputs.length);
    for (const address of results) heap.release(address);
    assert.equal(heap.liveBlocks(), built);
  }
  program.free();
  assert.equal(heap.liveBlocks(), empty);
});

test("what a device keeps for packed operands grows in place: no busier moment than the largest program plans [cpu]", async () => {
  const device = await openCpu();
  const square = compile((x: Tensor) => matmul(x, x), device);
  for (const n of [500, 900]) {
    const x = upload(tensor(new Float32Array(n * n), [n, n]), device);
    dispose(square(x));
    const peak = Math.max(...square.programs().map(({ memory }) => memory.peak));
    assert.ok(device.stats().peakBytes <= peak + 4096, `${n}: ${device.stats().peakBytes} for ${peak}`);
    dispose(x);
  }
  await device.close();
});
