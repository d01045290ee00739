/** The command line against the golden values: what scripts that call it will see. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Evaluation } from "../../align/training/evaluate.js";
import type { Device } from "../../core/index.js";
import { goldenJson, goldenPath } from "../golden/files.js";
import { check } from "../law.js";
import { document, succeeds } from "./cli.js";

const policy = goldenPath("preferences", "policy");
const sft = goldenPath("preferences", "sft");

const close = (got: number, expected: number, tolerance: number, what: string): void =>
  assert.ok(Math.abs(got - expected) <= tolerance, `${what}: ${got}, expected ${expected} ± ${tolerance}`);

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

// Not llama3-tiny: its values were made with rotary frequencies rounded to bfloat16 (see golden-models.test.ts).
for (const model of ["qwen1.5-tiny", "qwen2-gqa-tied-tiny"])
  check(`logprobs of ${model}`, async ({ name }) => {
    const { ids, token_logps } = goldenJson<{ ids: number[][]; token_logps: number[][] }>(model, "logprobs.json");
    const file = goldenPath(model, "logprobs.json");
    const args = ["logprobs", "--model", goldenPath(model), "--ids-file", file, "--device", name];
    const printed = await document<{ token_logps: number[][] }>(args);
    assert.deepEqual(Object.keys(printed), ["token_logps"]);
    printed.token_logps.forEach((row, i) => {
      assert.equal(row.length, ids[i].length - 1);
      close(sum(row), sum(token_logps[i]), 1e-3, `sequence ${i}`);
      row.forEach((logp, t) => {
        close(logp, token_logps[i][t], 1e-4, `sequence ${i}, token ${t + 1}`);
      });
    });
  });

for (const model of ["qwen1.5-tiny", "qwen2-gqa-tied-tiny", "llama3-tiny"])
  check(`greedy continuation of ${model}`, async ({ name }) => {
    const { prompt, greedy } = goldenJson<{ prompt: number[]; greedy: number[] }>(model, "greedy.json");
    const args = ["--ids", prompt.join(","), "--greedy", "--max-new-tokens", String(greedy.length - prompt.length)];
    const printed = await document(["generate", "--model", goldenPath(model), ...args, "--device", name]);
    // These folders have no tokenizer, so there is no text.
    assert.deepEqual(printed, { ids: greedy, text: null });
  });

interface GoldenLoss {
  readonly data: string;
  readonly loss_type: string;
  readonly label_smoothing?: number;
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly grad_norms: Readonly<Record<string, number>>;
}

const trl = goldenJson<{ beta: number; max_length: number; losses: GoldenLoss[] }>("preferences", "trl.json");

for (const golden of trl.losses.filter(({ loss_type }) => loss_type === "sigmoid")) {
  const { data, label_smoothing: smoothing = 0 } = golden;
  // trl.test.ts has every case on every device; here it is the command that is tried.
  const on = data === "chat.jsonl" && smoothing === 0 ? (["cpu", "webgpu"] as const) : (["cpu"] as const);
  const run = async ({ name }: Device): Promise<void> => {
    const printed = await document<Evaluation>([
      ...["eval", "--model", policy, "--ref-model", sft, "--data", goldenPath("preferences", golden.data)],
      ...["--loss-type", golden.loss_type, "--beta", String(trl.beta), "--max-length", String(trl.max_length)],
      ...["--label-smoothing", String(smoothing), "--limit", "8", "--grad-norms", "--device", name],
    ]);
    close(printed.loss, golden.loss, 1e-4, "loss");
    assert.deepEqual(Object.keys(printed.metrics).sort(), Object.keys(golden.metrics).sort());
    for (const [metric, value] of Object.entries(golden.metrics)) close(printed.metrics[metric], value, 1e-4, metric);
    const norms = printed.grad_norms ?? {};
    assert.deepEqual(Object.keys(norms).sort(), Object.keys(golden.grad_norms).sort());
    for (const [parameter, value] of Object.entries(golden.grad_norms))
      close(norms[parameter], value, 1e-3 * value, `gradient norm of ${parameter}`);
  };
  check(`eval of ${golden.loss_type} on ${data}, label smoothing ${smoothing}`, run, on);
}

test("generate --prompt tokenizes as the folder says, and text is the prompt and what follows", async () => {
  const args = [
    "generate",
    "--model",
    policy,
    "--prompt",
    "the little bird",
    "--max-new-tokens",
    "4",
    "--device",
    "cpu",
  ];
  const sampled = await document<{ ids: number[]; text: string }>([...args, "--seed", "3"]);
  assert.ok(sampled.text.startsWith("the little bird"));
  assert.deepEqual(await document([...args, "--seed", "3"]), sampled, "the seed decides");
  const others = await Promise.all(
    ["4", "5", "6"].map((seed) => document<{ ids: number[] }>([...args, "--seed", seed])),
  );
  assert.ok(
    others.some(({ ids }) => ids.join() !== sampled.ids.join()),
    "another seed, another text",
  );
  const { stdout } = await succeeds([...args, "--seed", "3"]);
  assert.equal(stdout, `${sampled.text}\n`);
});

test("doctor says what auto picks, and never fails", async () => {
  const report = await document<{ adapters: { software: boolean }[]; auto: { device: string; why: string } }>([
    "doctor",
  ]);
  const hardware = report.adapters.some(({ software }) => !software);
  assert.equal(report.auto.device, hardware ? "webgpu" : "cpu");
  assert.ok(report.auto.why.length > 0);
  assert.match((await succeeds(["doctor"])).stdout, /^auto +(webgpu|cpu): /m);
  assert.match((await succeeds(["doctor", "--device", "cpu"])).stdout, /^opened +\S/m);
});
