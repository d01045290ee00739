/** Memory with 64-bit addresses: the same bits as with 32, wherever a run moves there, and whatever the addresses. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { completionObjective } from "../../../align/index.js";
import { lastOf, train } from "../../../align/training/train.js";
import { type Device, evaluate, type HostData, key, leaves, OutOfMemoryError, read } from "../../../core/index.js";
import { type CpuOptions, openCpu } from "../../../kernels/cpu/device.js";
import { writeWord } from "../../../kernels/cpu/launch.js";
import { engineLimits } from "../../../kernels/cpu/memory.js";
import { type I32, loadWord, WORD } from "../../../kernels/cpu/wasm/expression.js";
import { compileModule, createMemory, link, PAGE } from "../../../kernels/cpu/wasm/host.js";
import { moduleBuilder } from "../../../kernels/cpu/wasm/module.js";
import { i32, i32x4, select, v128 } from "../../../kernels/cpu/wasm/ops.js";
import { initParams, parseConfig } from "../../../models/index.js";
import { adamW } from "../../../optim/index.js";
import { seeds } from "../../generators/generators.js";
import { bytesOf, programs } from "./cpu-programs.js";
import { lacksMemory64 } from "./memory64.js";

const GiB = 2 ** 30;
/** What every memory of a law may have: no engine refuses so much. */
const small = { wasm32: GiB, memory64: GiB };

const withDevice = async <T>(options: CpuOptions, use: (device: Device) => Promise<T>): Promise<T> => {
  const device = await openCpu(options);
  try {
    return await use(device);
  } finally {
    await device.close();
  }
};

/** Room of so many bytes, nothing written. */
const ballast = (device: Device, bytes: number) => device.upload(new Float32Array(1), [bytes / 4], "f32");

const wide = (x: bigint): number => Number(BigInt.asIntN(64, x));
const integers: Record<string, readonly [(a: I32, b: I32) => I32, (a: bigint, b: bigint) => number]> = {
  add: [i32.add, (a, b) => wide(a + b)],
  sub: [i32.sub, (a, b) => wide(a - b)],
  mul: [i32.mul, (a, b) => wide(a * b)],
  and: [i32.and, (a, b) => wide(a & b)],
  or: [i32.or, (a, b) => wide(a | b)],
  shl: [i32.shl, (a, b) => wide(a << (b & 63n))],
  shr_u: [i32.shr_u, (a, b) => wide(BigInt.asUintN(64, a) >> (b & 63n))],
  lt_s: [i32.lt_s, (a, b) => Number(a < b)],
  lt_u: [i32.lt_u, (a, b) => Number(BigInt.asUintN(64, a) < BigInt.asUintN(64, b))],
  eq: [i32.eq, (a, b) => Number(a === b)],
  eqz: [(a) => i32.eqz(a), (a) => Number(a === 0n)],
  "two conditions": [(a, b) => i32.and(i32.gt_s(a, b), i32.ne(b, i32.const(0))), (a, b) => Number(a > b && b !== 0n)],
  "bits of a condition": [(a, b) => i32.and(a, i32.gt_s(a, b)), (a, b) => (a > b ? wide(a & 1n) : 0)],
  "a choice by a number": [
    (a, b) => select(a, b, i32.shl(a, i32.const(32))),
    (a, b) => wide(BigInt.asIntN(32, a) === 0n ? b : a),
  ],
  "a lane": [(a) => i32x4.extract_lane(i32x4.splat(a), 1), (a) => wide(BigInt.asIntN(32, a))],
  "any lane": [(a) => v128.any_true(i32x4.splat(a)), (a) => Number(BigInt.asIntN(32, a) !== 0n)],
};

test("integers of wide code have 64 bits, those of vectors and conditions 32", { skip: lacksMemory64 }, () => {
  const space = { isWide: true, isShared: true, pages: 2 };
  const module = moduleBuilder(space);
  for (const [name, [op]] of Object.entries(integers))
    module.func({ export: name, params: ["i32", "i32"], result: "i32" }, (body, a, b) => body.return(op(a, b)));
  module.func({ export: "stored", params: ["i32"], result: "i32" }, (body, a) => {
    body.do(i32.store(i32.const(PAGE), a));
    body.do(i32.store(i32.const(PAGE), i32.const(-1), 4));
    body.return(i32.load(i32.const(PAGE)));
  });
  module.func({ export: "word", params: [], result: "i32" }, (body) => body.return(loadWord(i32.const(PAGE), 3)));
  const memory = createMemory(2, space);
  const exports = link(compileModule(module.bytes()), memory);
  const numbers = fc.oneof(
    fc.integer({ min: -9, max: 70 }),
    fc.maxSafeInteger(),
    fc.integer().map((n) => n * 2 ** 21),
    fc.constantFrom(2 ** 32, -(2 ** 32), 2 ** 31, -(2 ** 31), 2 ** 32 - 1),
  );
  fc.assert(
    fc.property(numbers, numbers, (a, b) => {
      for (const [name, [, want]] of Object.entries(integers))
        assert.equal(exports[name](a, b), want(BigInt(a), BigInt(b)), `${name}(${a}, ${b})`);
      writeWord(new Int32Array(memory.buffer), PAGE + 3 * WORD, a);
      assert.equal(exports.word(), a, "a word of an argument block");
      assert.equal(exports.stored(a), wide(BigInt.asIntN(32, BigInt(a))));
    }),
    { numRuns: 400 },
  );
});

/** Sizes and numbers of the programs. */
const drawn = () =>
  fc.record({ n: fc.integer({ min: 150, max: 400 }), d: fc.integer({ min: 30, max: 200 }), s: seeds() });

/** The same program on two devices, bit for bit. */
const alike = async (a: Device, b: Device, numRuns: number) => {
  for (const [name, make] of Object.entries(programs))
    await fc.assert(
      fc.asyncProperty(drawn(), async ({ n, d, s }) => {
        const { inputs, f } = make(n, d, s);
        assert.deepEqual(await bytesOf(b, inputs, f), await bytesOf(a, inputs, f), `${name} on ${b.description}`);
      }),
      { numRuns },
    );
};

test("kernels with 32-bit and 64-bit addresses give the same bits [cpu]", { skip: lacksMemory64 }, () =>
  withDevice({ memory: "wasm32" }, (a) =>
    withDevice({ memory: "memory64", limits: small }, (b) => {
      assert.match(b.description, /64-bit addresses/);
      return alike(a, b, 3);
    }),
  ),
);

const reach = engineLimits().limits.memory64;
const lacksRoom =
  lacksMemory64 ||
  (reach < 5.5 * GiB && `this engine's 64-bit addresses end at ${reach} bytes here: no law beyond 4 GiB runs`);
if (lacksRoom !== false) console.log(lacksRoom);

test("beyond 4 GiB they are the same bits still [cpu]", { skip: lacksRoom }, () =>
  withDevice({ memory: "wasm32" }, (a) =>
    withDevice({}, async (b) => {
      assert.equal(b.limits?.memory, reach);
      ballast(b, 5 * GiB);
      await alike(a, b, 1);
      assert.throws(
        () => ballast(b, 12 * GiB),
        (error) => error instanceof OutOfMemoryError && error.lacking.limit === reach,
      );
    }),
  ),
);

const config = parseConfig({
  model_type: "qwen2",
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 48,
  vocab_size: 64,
  tie_word_embeddings: true,
  rope_theta: 10000,
  max_position_embeddings: 32,
});

/** The parameters that four steps of training end with. */
const trained = async (device: Device): Promise<HostData[]> => {
  const [rows, length] = [4, 24];
  const batches = function* () {
    for (let step = 0; ; step++) {
      const ids = Int32Array.from({ length: rows * length }, (_, i) => (i * 7 + step * 5) % 64);
      yield { ids, mask: new Float32Array(ids.length).fill(1), rows, length };
    }
  };
  const params = await lastOf(
    train(
      {
        objective: completionObjective(config, { tokenMetrics: false }),
        params: evaluate(initParams(config, key(3)), device),
        optimizer: adamW(),
        batches: batches(),
        steps: 4,
        learningRate: 1e-2,
      },
      device,
    ),
  );
  return Promise.all(leaves(params).map(read));
};

test("training that moves to 64-bit addresses at any allocation ends with the same bits [cpu]", {
  skip: lacksMemory64,
}, async () => {
  const [want, peak] = await withDevice({ memory: "wasm32" }, async (device) => [
    await trained(device),
    device.stats().peakBytes,
  ]);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2 ** 16, max: peak }), async (limit) => {
      let notices = 0;
      const notice = () => notices++;
      await withDevice({ limits: { wasm32: limit, memory64: GiB }, notice }, async (device) => {
        assert.deepEqual(await trained(device), want);
        assert.match(device.description, /64-bit addresses/);
      });
      assert.equal(notices, 1);
    }),
    { numRuns: 5 },
  );
});
