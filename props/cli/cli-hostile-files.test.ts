/** Input that is wrong on purpose, and what it must not do: hang, flood or colour the terminal, be found out late. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { goldenPath } from "../golden/files.js";
import { lastOf } from "./cli.js";
import { calls, file, folder, ids, policy, refused, refuses, tiny } from "./cli-refuses.js";
import { inside } from "./inside.js";

/** A copy of a model folder with one file changed. */
const spoiled = (name: string, from: string, path: string, change: (old: Buffer) => string | Uint8Array): string => {
  const to = join(folder, name);
  cpSync(from, to, { recursive: true });
  writeFileSync(join(to, path), change(readFileSync(join(to, path))));
  return to;
};

const editJson =
  (change: Readonly<Record<string, unknown>>) =>
  (old: Buffer): string =>
    JSON.stringify({ ...(JSON.parse(old.toString("utf8")) as object), ...change });

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;

const headerOf = (old: Buffer): { header: Header; start: number } => {
  const start = 8 + Number(old.readBigUInt64LE(0));
  return { header: JSON.parse(old.subarray(8, start).toString("utf8")), start };
};

const editHeader =
  (change: (header: Header) => void) =>
  (old: Buffer): Uint8Array => {
    const { header, start } = headerOf(old);
    change(header);
    const text = Buffer.from(JSON.stringify(header), "utf8");
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, old.subarray(start)]);
  };

/** The first number of a tensor (stored as F32) becomes `value`. */
const poison =
  (name: string, value: number) =>
  (old: Buffer): Uint8Array => {
    const { header, start } = headerOf(old);
    old.writeFloatLE(value, start + header[name].data_offsets[0]);
    return old;
  };

const weights = "model.safetensors";
const sft = goldenPath("preferences", "sft");

refused("models that lie", () => {
  const call = (model: string): string[] => [...calls.logprobs, "--ids-file", ids, "--model", model];
  const config = (name: string, change: Readonly<Record<string, unknown>>): string[] =>
    call(spoiled(name, tiny, "config.json", editJson(change)));
  const header = (name: string, change: (header: Header) => void): string[] =>
    call(spoiled(name, tiny, weights, editHeader(change)));
  return [
    [config("layers", { num_hidden_layers: 1_000_000 }), /num_hidden_layers is 1000000/],
    [
      header("long-shape", (h) => {
        h["model.norm.weight"].shape = new Array<number>(100_000).fill(1);
      }),
      /model\.norm\.weight/,
    ],
    [
      header("colours", (h) => {
        const { shape } = h["model.norm.weight"];
        h["evil\n\u001b[31m\u0007"] = { dtype: "F32", shape: [0, ...shape], data_offsets: [0, 0] };
      }),
      /evil.*not part of a qwen2 model/,
    ],
    [
      call(spoiled("end", tiny, "generation_config.json", editJson({ eos_token_id: 10 ** 9 }))),
      /generation_config\.json: eos_token_id is 1000000000: .*outside of the vocabulary/,
    ],
    [[...calls.logprobs, "--ids-file", ids, "--model", "x".repeat(5000)], /xxx … x+.*(too long|no such folder)/],
  ];
});

refused("weights that are no numbers are named before anything is computed", () => {
  const nan = spoiled("nan", policy, weights, poison("model.norm.weight", Number.NaN));
  const infinite = spoiled("infinite", policy, weights, poison("model.embed_tokens.weight", Number.NEGATIVE_INFINITY));
  const found = /nan: tensor "model\.norm\.weight" holds NaN/;
  return [
    [[...calls.logprobs, "--ids-file", ids, "--model", nan], found],
    [
      [...calls.logprobs, "--ids-file", ids, "--model", infinite],
      /tensor "model\.embed_tokens\.weight" holds -Infinity/,
    ],
    [[...calls.generate, "--ids", "1", "--model", nan], found],
    [[...calls.eval, "--model", nan], found],
    [[...calls.eval, "--ref-model", nan], found],
    [[...calls.dpo, "--model_name_or_path", nan], found],
    [[...calls.dpo, "--ref_model_name_or_path", nan], found],
    [[...calls.dpo, "--optim", "ondare", "--base_model_name_or_path", nan], found],
  ];
});

refused("text files", () => {
  const needed = `model_name_or_path: ${policy}\ndataset_name: ${goldenPath("preferences", "chat.jsonl")}\n`;
  const yaml = (name: string, text: string): string[] => [...calls.dpo, "--config", file(name, needed + text)];
  const tokenizer = spoiled("no-end", policy, "tokenizer_config.json", () => "{}");
  const plain = goldenPath("preferences", "plain.jsonl");
  return [
    [[...calls.eval, "--data", file("nul.jsonl", "\0\0")], /nul\.jsonl:1: malformed JSON/],
    [yaml("two.yaml", "beta: 0.1\n---\nbeta: 0.2\n"), /two\.yaml:4: .*multiple documents/],
    [yaml("tag.yaml", "beta: !!python/object:os.system 1\n"), /tag\.yaml:3: .*tag/],
    [yaml("infinite.yaml", "learning_rate: .inf\n"), /learning_rate is Infinity/],
    [yaml("nan.yaml", "learning_rate: .nan\n"), /learning_rate is NaN/],
    [yaml("nul.yaml", 'ref_model_name_or_path: "a\\0b"\n'), /ref_model_name_or_path is "a\\u0000b"/],
    [
      [...calls.eval, "--model", tokenizer, "--ref-model", sft, "--data", plain],
      /^taugrad: [^:]*plain\.jsonl:1: plain text needs an end token/,
    ],
  ];
});

test("a folder that cannot be written to is found out before training, and nothing is left there", async () => {
  const place = join(folder, "places");
  mkdirSync(join(place, "has-folder", "metrics.jsonl"), { recursive: true });
  mkdirSync(join(place, "has-config", "config.json"), { recursive: true });
  symlinkSync(join(place, "nowhere", "deep"), join(place, "dangling"));
  symlinkSync("loop", join(place, "loop"));
  const before = readdirSync(place, { recursive: true });
  const long = "x".repeat(300);
  for (const [output, pattern] of [
    [join(place, "dangling"), /output_dir: .*dangling: is a link to .*deep, which is no folder; remove it/],
    [join(place, "loop"), /output_dir: .*loop cannot be made .*too many symbolic links/],
    [join(place, long), /output_dir: .*too long/],
    [join(place, "new", long), /output_dir: .*too long/],
    [join(place, "has-folder"), /metrics\.jsonl is a folder/],
    [join(place, "has-config"), /config\.json is a folder/],
    ["/proc/taugrad", /output_dir: /],
  ] as const) {
    if (output.startsWith("/proc") && process.platform !== "linux") continue;
    const args = [...calls.dpo, "--max_steps", "1", "--output_dir", output];
    refuses(await inside(lastOf(args)), pattern, `taugrad ${args.join(" ")}`);
    assert.deepEqual(readdirSync(place, { recursive: true }), before, `${output}: something is left`);
  }
});
