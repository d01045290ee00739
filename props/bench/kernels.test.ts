/** Laws of the kernel table: work of steps, rows of a planned training step, what drivers print, timings. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CARDS } from "../../bench/cards.js";
import { multiplyAddShare } from "../../bench/kernels/machine-code.js";
import { rowsOf, tableOf } from "../../bench/kernels/rows.js";
import { parseShaderStats } from "../../bench/kernels/shader-stats.js";
import { planStep } from "../../bench/kernels/step.js";
import { attention, type Graph, gather, matmul, mul, sum, type Tensor } from "../../core/index.js";
import { placeholder } from "../../core/ops/leaf.js";
import { workOf } from "../../kernels/plan/work.js";
import { profileFor } from "../../kernels/webgpu/planners.js";
import { prepare } from "../../kernels/webgpu/prepare.js";
import { timingLines } from "../../kernels/webgpu/timings.js";
import { parseConfig } from "../../models/index.js";

const profile = await profileFor("nvidia");
const workIn = (inputs: Tensor[], outputs: Tensor[]) => {
  const { plan } = prepare({ inputs, outputs } as Graph, profile);
  return plan.steps.map((step) => workOf(step, plan));
};

test("a product of M × K by K × N does 2MNK operations and touches its matrices once, stored in 16 bits or not", () => {
  const size = fc.integer({ min: 2, max: 40 });
  fc.assert(
    fc.property(size, size, size, fc.constantFrom("f32" as const, "bf16" as const), (m, n, k, dtype) => {
      const [a, b] = [placeholder([m, k], dtype), placeholder([k, n], "f32")];
      const stored = dtype === "f32" ? 4 * m * k : 4 * Math.ceil((m * k) / 2); // whole words
      assert.deepEqual(workIn([a, b], [matmul(a, b)]), [
        { flops: 2 * m * n * k, bytes: stored + 4 * k * n + 4 * m * n },
      ]);
    }),
    { numRuns: 30 },
  );
});

test("attention does two products of the causal half, or of a window; a gather touches the rows it takes; a map its elements", () => {
  const [q, k, v] = [
    placeholder([2, 32, 4, 16], "f32"),
    placeholder([2, 32, 2, 16], "f32"),
    placeholder([2, 32, 2, 16], "f32"),
  ];
  const position = placeholder([2, 32], "i32");
  const [{ flops }] = workIn([q, k, v, position], [attention(q, k, v, position, 0.25)]);
  assert.equal(flops, 2 * 2 * 2 * 32 * 32 * 4 * 16 * 0.5);
  const windowed = attention(q, k, v, position, 0.25, { from: position, most: 4 });
  assert.equal(workIn([q, k, v, position], [windowed])[0].flops, 2 * 2 * 2 * 32 * 4 * 4 * 16);
  const [table, ids] = [placeholder([1000, 8], "f32"), placeholder([5], "i32")];
  assert.deepEqual(workIn([table, ids], [gather(table, ids)]), [{ flops: 0, bytes: 4 * 5 + 2 * 4 * 5 * 8 }]);
  const x = placeholder([7, 9], "f32");
  assert.deepEqual(workIn([x], [mul(x, x)]), [{ flops: 63, bytes: 2 * 4 * 63 }]);
  assert.deepEqual(workIn([x], [sum(mul(x, x))]), [{ flops: 2 * 63, bytes: 4 * 63 + 4 }]);
});

const tiny = parseConfig({
  ...{ model_type: "llama", hidden_size: 64, intermediate_size: 96, num_hidden_layers: 2, num_attention_heads: 4 },
  ...{ num_key_value_heads: 2, vocab_size: 300, max_position_embeddings: 128, tie_word_embeddings: true },
});

test("rows hold every launch of a planned step once; their products are those of forward and backward", async () => {
  const keys = { max_length: 64, per_device_train_batch_size: 1, optim: "ondare", precompute_ref_log_probs: true };
  const more = { alpha: 0.5, reserve_p: 0.5, gradient_checkpointing: false };
  const step = await planStep(tiny, profile, { ...keys, ...more });
  const rows = rowsOf(step, CARDS.h100);
  const launches = step.programs.reduce((n, { kernels }) => n + kernels.length, 0);
  assert.equal(
    rows.reduce((n, row) => n + row.launches, 0),
    launches,
  );
  assert.ok(launches > 50);
  assert.ok(Math.abs(rows.reduce((n, { share }) => n + share, 0) - 1) < 1e-9);
  // Weights in products of the layers: forward, and two products backward, over 2 × 64 tokens.
  const weights = 2 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96);
  const products = rows.filter(({ name }) => name.startsWith("matmul")).reduce((n, { flops }) => n + flops, 0);
  assert.ok(products >= 3 * 2 * weights * 2 * 64, `${products}`);
  const lines = tableOf(rows).split("\n");
  assert.equal(lines.length, rows.length + 2);
  assert.equal(new Set(lines.map((line) => line.length)).size, 1, "columns are aligned");
});

test("what RADV prints of a pipeline is read; what is no statistics is none; a name that is gone is an error", () => {
  const printed = [
    ...[
      "Compute Shader:",
      "*** SHADER STATS ***",
      "Driver pipeline hash: 8235104523965700118",
      "SGPRs: 128",
      "VGPRs: 60",
    ],
    ...["Spilled SGPRs: 1", "Spilled VGPRs: 2", "Code size: 72", "LDS size: 8704", "Scratch size: 512"],
    ...["Subgroups per SIMD: 24", "Instructions: 951", "Latency: 686", "Inverse Throughput: 43", "*****"],
  ];
  assert.deepEqual(parseShaderStats(printed.join("\n")), {
    ...{ registers: 60, spills: 3, scratch: 512, lds: 8704, waves: 24, instructions: 951, inverseThroughput: 43 },
  });
  assert.equal(parseShaderStats("Warning: something"), undefined);
  assert.throws(() => parseShaderStats(printed.filter((line) => !line.startsWith("VGPRs")).join("\n")), /no "VGPRs"/);
});

test("of RADV's machine code the main loops' multiply-adds are counted: outermost loops, what they hold with them", () => {
  const repeat = (line: string, count: number) => Array<string>(count).fill(`\t${line} ; 00`);
  const fma = "v_fmac_f32_e32 v1, v2, v3";
  const other = ["BB4:", ...repeat(fma, 3), ...repeat("v_mov_b32_e32 v0, v1", 3), ...repeat("s_cbranch_scc1 BB4", 1)]; // 3 of 6
  const printed = (loop: readonly string[]) => [
    ...["", "disasm:", "BB0:", ...repeat("v_fma_f32 v1, v2, v3, v4", 9)], // in no loop
    ...["BB1:", ...repeat("v_add_nc_u32_e32 v0, v1, v2", 4), "BB2:", ...repeat(fma, 2)],
    ...repeat("v_dual_fmac_f32 v1, v2, v3 :: v_dual_fmac_f32 v4, v5, v6", 2), // two of two
    ...repeat("s_add_u32 s0, s1, s2", 5),
    ...[...repeat("s_cbranch_scc0 BB2", 1), "BB3:", ...repeat("s_branch BB1", 1)], // 6 of 10
    ...loop,
    ...["BB5:", ...repeat(fma, 1), ...repeat("v_mov_b32_e32 v0, v1", 9), ...repeat("s_cbranch_scc1 BB5", 1)], // not a main one
    ...["*** SHADER STATS ***", "BB6:", ...repeat(fma, 3), ...repeat("s_cbranch_scc1 BB6", 1)],
  ];
  assert.equal(multiplyAddShare(printed(other).join("\n")), 3 / 6);
  assert.equal(multiplyAddShare(printed([]).join("\n")), 6 / 10);
  for (const none of ["VGPRs: 60", "\ndisasm:\nBB0:\n\ts_endpgm"]) assert.equal(multiplyAddShare(none), undefined);
});

test("timings hold every kernel, slowest kind first, and add up", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom("map", "matmul"), fc.nat(1e6)), { minLength: 1 }), (drawn) => {
      const times = BigUint64Array.from(
        drawn.flatMap(([, ns], i) => [BigInt(i) * 10n ** 9n, BigInt(i) * 10n ** 9n + BigInt(ns)]),
      );
      const [head, ...rows] = timingLines(
        drawn.map(([label]) => label),
        times,
      );
      const total = drawn.reduce((n, [, ns]) => n + ns, 0) / 1e6;
      assert.equal(head, `webgpu: ${total.toFixed(3)} ms in ${drawn.length} kernels`);
      const read = rows.map((row) => row.trim().match(/^(\w+) +([\d.]+) ms +(\d+) launches$/) ?? []);
      assert.equal(
        read.reduce((n, [, , , launches]) => n + Number(launches), 0),
        drawn.length,
      );
      for (const [i, row] of read.entries()) assert.ok(i === 0 || Number(read[i - 1][2]) >= Number(row[2]));
    }),
  );
});
