/** Bad input: exit code 2, one line on stderr, nothing on stdout, nothing written. */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Ended, scratch, taugrad } from "./cli.js";
import { goldenPath } from "./golden/files.js";

const folder = scratch();
const out = join(folder, "out");
const policy = goldenPath("preferences", "policy");
const sft = goldenPath("preferences", "sft");
const pairs = goldenPath("preferences", "chat.jsonl");
const tiny = goldenPath("qwen1.5-tiny");
const sharded = goldenPath("llama3-tiny");

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** A copy of a model folder with some files changed; undefined removes one. */
const spoiled = (
  name: string,
  from: string,
  files: Readonly<Record<string, (old: Buffer) => string | Uint8Array>>,
): string => {
  const to = join(folder, name);
  cpSync(from, to, { recursive: true });
  for (const [path, change] of Object.entries(files))
    writeFileSync(join(to, path), change(readFileSync(join(to, path))));
  return to;
};

const editJson =
  (change: Readonly<Record<string, unknown>>) =>
  (old: Buffer): string =>
    JSON.stringify({ ...(JSON.parse(old.toString("utf8")) as object), ...change });

/** A safetensors file whose header says something else. */
const editHeader =
  (change: (header: Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>) => void) =>
  (old: Buffer): Uint8Array => {
    const size = Number(old.readBigUInt64LE(0));
    const header = JSON.parse(old.subarray(8, 8 + size).toString("utf8"));
    change(header);
    const text = Buffer.from(JSON.stringify(header), "utf8");
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return Buffer.concat([length, text, old.subarray(8 + size)]);
  };

const jsonl = (name: string, ...lines: string[]): string => file(name, `${lines.join("\n")}\n`);
const row = JSON.stringify({ prompt: "a", chosen: " b", rejected: " c" });
const ids = file("ids.json", JSON.stringify({ ids: [[1, 2, 3]] }));

/** What each command needs at least; the case adds what is wrong with it (the last of two options wins). */
const calls = {
  logprobs: ["logprobs", "--device", "reference", "--json"],
  generate: ["generate", "--model", policy, "--device", "reference", "--json"],
  eval: ["eval", "--model", policy, "--ref-model", sft, "--data", pairs, "--device", "reference", "--json"],
  sft: ["sft", "--model_name_or_path", policy, "--dataset_name", pairs, "--output_dir", out, "--device", "reference"],
  dpo: ["dpo", "--model_name_or_path", policy, "--dataset_name", pairs, "--output_dir", out, "--device", "reference"],
} as const;

const refuses = (ended: Ended, pattern: RegExp, call: string): void => {
  assert.equal(ended.code, 2, `${call}\nexit code ${ended.code}\n${ended.stderr}`);
  assert.match(ended.stderr, /^taugrad: [^\n]+\n$/, `${call}: one line on stderr`);
  assert.match(ended.stderr, pattern, call);
  assert.equal(ended.stdout, "", `${call}: nothing on stdout`);
  assert.ok(!existsSync(out), `${call}: no output folder`);
};

type Case = readonly [args: readonly string[], pattern: RegExp];

/** A test of several calls, two at a time. */
const refused = (title: string, cases: () => readonly Case[]): void => {
  test(title, async () => {
    const waiting = [...cases()];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [args, pattern] = next;
        refuses(await taugrad(args), pattern, `taugrad ${args.join(" ")}`);
      }
    };
    await Promise.all([worker(), worker()]);
  });
};

refused("usage", () => [
  [[], /no command given/],
  [["dop"], /there is no command "dop"; did you mean "dpo"\?/],
  [["frobnicate"], /there is no command "frobnicate"; taugrad --help/],
  [["--model", "x"], /the command comes first/],
  [[...calls.logprobs, "--modle", tiny], /no option --modle; did you mean --model\?/],
  [[...calls.generate, "--max_new_token", "3"], /did you mean --max-new-tokens\?/],
  [[...calls.logprobs, "--model"], /--model needs a value/],
  [[...calls.logprobs, "--model", "--json"], /--model needs a value/],
  [[...calls.logprobs, "words"], /takes no argument "words"/],
  [calls.logprobs, /needs --model DIR/],
  [[...calls.logprobs, "--model", tiny], /one of --ids-file FILE and --text TEXT/],
  [[...calls.generate, "--prompt", "a", "--ids", "1"], /one of --prompt TEXT and --ids/],
  [
    [...calls.generate, "--ids", "1", "--device", "gpu"],
    /--device is "gpu"; it must be one of auto, webgpu, cpu, reference/,
  ],
  [[...calls.dpo, "--resume"], /--resume: resuming a run is not built yet/],
  [[...calls.dpo, "--json=maybe"], /--json is "maybe"; it must be true or false/],
]);

refused("model folders", () => {
  const call = (model: string): string[] => [...calls.logprobs, "--ids-file", ids, "--model", model];
  mkdirSync(join(folder, "empty"));
  const weights = "model.safetensors";
  const broken = (name: string, change: (old: Buffer) => string | Uint8Array): string[] =>
    call(spoiled(name, tiny, { [weights]: change }));
  const lying = (name: string, change: Parameters<typeof editHeader>[0]): string[] => broken(name, editHeader(change));
  return [
    [call(join(folder, "nowhere")), /nowhere: no such folder/],
    [call(join(folder, "empty")), /empty: holds no config\.json/],
    [call(ids), /ids\.json\/config\.json: a part of the path is a file/],
    [call(spoiled("config-text", tiny, { "config.json": () => "{" })), /config\.json: is not JSON/],
    [call(spoiled("config-type", tiny, { "config.json": editJson({ model_type: "gpt2" }) })), /model_type is "gpt2"/],
    [
      call(spoiled("config-size", tiny, { "config.json": editJson({ intermediate_size: 8 }) })),
      /mlp.*config\.json calls for/,
    ],
    [broken("cut-header", (old) => old.subarray(0, 20)), /model\.safetensors/],
    [broken("cut-data", (old) => old.subarray(0, old.length - 4)), /model\.safetensors/],
    [broken("nothing", () => ""), /model\.safetensors/],
    [
      broken("huge", (old) => Buffer.concat([Buffer.from("ffffffffffffff7f", "hex"), old.subarray(8)])),
      /model\.safetensors/,
    ],
    [
      lying("offsets", (header) => {
        header["model.norm.weight"].data_offsets[1] += 4;
      }),
      /model\.safetensors/,
    ],
    [
      lying("shape", (header) => {
        header["model.norm.weight"].shape = [2 ** 40];
      }),
      /model\.safetensors/,
    ],
    [
      lying("dtype", (header) => {
        header["model.norm.weight"].dtype = "I64";
      }),
      /model\.safetensors/,
    ],
    [
      lying("renamed", (header) => {
        header["model.nrm.weight"] = header["model.norm.weight"];
        delete header["model.norm.weight"];
      }),
      /tensor "model\.norm\.weight" is missing/,
    ],
    [
      call(
        spoiled("no-shard", sharded, {
          "model.safetensors.index.json": (old) => old.toString("utf8").replaceAll("00002-of", "00003-of"),
        }),
      ),
      /shard is missing/,
    ],
  ];
});

refused("token ids and prompts", () => [
  [[...calls.logprobs, "--model", tiny, "--ids-file", join(folder, "none.json")], /none\.json: no such file/],
  [[...calls.logprobs, "--model", tiny, "--ids-file", folder], /cannot be read/],
  [[...calls.logprobs, "--model", tiny, "--ids-file", file("a.json", "[1")], /a\.json: is not JSON/],
  [[...calls.logprobs, "--model", tiny, "--ids-file", file("b.json", '{"ids": 1}')], /must hold \{"ids"/],
  [[...calls.logprobs, "--model", tiny, "--ids-file", file("c.json", '{"ids": []}')], /holds no sequence/],
  [[...calls.logprobs, "--model", tiny, "--ids-file", file("d.json", '{"ids": [[1], []]}')], /ids\[1\] is empty/],
  [
    [...calls.logprobs, "--model", tiny, "--ids-file", file("e.json", '{"ids": [[1], ["a"]]}')],
    /ids\[1\]: token id "a" is outside/,
  ],
  [[...calls.logprobs, "--model", tiny, "--ids-file", file("f.json", '{"ids": [[1.5]]}')], /token id 1\.5 is outside/],
  [
    [...calls.logprobs, "--model", tiny, "--ids-file", file("g.json", '{"ids": [[1, 999999]]}')],
    /token id 999999 is outside of the model's vocabulary/,
  ],
  [[...calls.logprobs, "--model", tiny, "--text", "a"], /holds no tokenizer\.json/],
  [[...calls.generate, "--ids", "1,b"], /--ids is "1,b"; it must be token ids such as "1,2,3"/],
  [[...calls.generate, "--ids", "1,,2"], /--ids is "1,,2"/],
  [[...calls.generate, "--ids", "-1"], /--ids is "-1"/],
  [[...calls.generate, "--ids", "1,100000"], /token id 100000 is outside/],
  [[...calls.generate, "--ids", ""], /--ids is empty/],
  [[...calls.generate, "--prompt", ""], /--prompt is empty/],
  [[...calls.generate, "--model", tiny, "--prompt", "a"], /holds no tokenizer\.json/],
]);

refused("numbers of generate", () => {
  const wrong = (option: string, value: string, must: RegExp): Case => [
    [...calls.generate, "--ids", "1", option, value],
    must,
  ];
  return [
    ...["0", "-1", "1.5", "NaN", "many", "1e99"].map((n) =>
      wrong("--max-new-tokens", n, /--max-new-tokens is .* an integer ≥ 1/),
    ),
    ...["0", "-1", "nan", "inf"].map((n) => wrong("--temperature", n, /--temperature is .* a number > 0/)),
    ...["0", "1.01", "x"].map((n) => wrong("--top-p", n, /--top-p is .* a number in \(0, 1\]/)),
    wrong("--top-k", "-1", /--top-k is .* an integer ≥ 0/),
    wrong("--repetition-penalty", "0", /--repetition-penalty is .* a number > 0/),
    wrong("--seed", "-1", /--seed is .* an integer ≥ 0/),
  ];
});

refused("rows", () => {
  const data = (name: string, ...lines: string[]): string[] => [...calls.eval, "--data", jsonl(name, ...lines)];
  const dpo = (name: string, ...lines: string[]): string[] => [...calls.dpo, "--dataset_name", jsonl(name, ...lines)];
  return [
    [data("blank.jsonl", row, "", row), /blank\.jsonl:2: empty line/],
    [data("bad.jsonl", row, row, "{"), /bad\.jsonl:3: malformed JSON/],
    [dpo("bad2.jsonl", row, "nope", row), /bad2\.jsonl:2: malformed JSON/],
    [dpo("missing.jsonl", row, '{"prompt": "a", "chosen": "b"}'), /missing\.jsonl:2/],
    [dpo("type.jsonl", row, '{"prompt": "a", "chosen": 1, "rejected": "b"}'), /type\.jsonl:2/],
    [data("list.jsonl", "7"), /list\.jsonl:1/],
    [data("kind.jsonl", '{"text": "a"}'), /kind\.jsonl:1: is a document .* expected a preference pair/],
    [[...calls.sft, "--dataset_name", jsonl("pairs.jsonl", row)], /pairs\.jsonl:1: is a preference pair/],
    [data("none.jsonl", ""), /none\.jsonl: holds no rows/],
    [[...calls.eval, "--data", join(folder, "absent.jsonl")], /absent\.jsonl: no such file/],
    [[...calls.eval, "--limit", "0"], /--limit is "0"/],
    [[...calls.eval, "--beta", "nan"], /--beta is "nan"; it must be a number > 0/],
    [[...calls.eval, "--loss-type", "sigmod"], /--loss-type is "sigmod"; it must be "sigmoid"/],
    [[...calls.eval, "--label-smoothing", "0.5"], /--label-smoothing is "0\.5"; it must be a number in \[0, 0\.5\)/],
    [[...calls.eval, "--max-length", "3"], /no row has a completion left; raise max_length/],
  ];
});

refused("models that do not fit together", () => {
  const vocabulary = spoiled("small-vocabulary", policy, {
    "config.json": editJson({ vocab_size: 300, bos_token_id: null, eos_token_id: null, pad_token_id: null }),
    "generation_config.json": () => "{}",
  });
  const wide = spoiled("wide", policy, { "config.json": editJson({ intermediate_size: 24 }) });
  const merging = ["--optim", "ondare", "--alpha", "0.1", "--reserve_p", "0.5"];
  return [
    [
      [...calls.eval, "--model", vocabulary, "--ref-model", vocabulary],
      /token id \d+ is outside of the model's vocabulary of 300/,
    ],
    [[...calls.dpo, "--model_name_or_path", vocabulary], /chat\.jsonl:1: token id \d+ is outside/],
    [[...calls.eval, "--ref-model", tiny], /vocabulary of .* they must share a tokenizer/],
    [[...calls.dpo, "--ref_model_name_or_path", tiny], /they must share a tokenizer/],
    [
      [...calls.dpo, ...merging, "--base_model_name_or_path", wide],
      /tensor "model\.layers\.0\.mlp\.gate_proj\.weight": .*wide has \[24, \d+\]/,
    ],
    [[...calls.dpo, ...merging, "--base_model_name_or_path", join(folder, "gone")], /gone: no such folder/],
    [[...calls.dpo, ...merging], /optim ondare needs base_model_name_or_path/],
  ];
});

refused("training keys", () => {
  const yaml = (name: string, text: string): string[] => [...calls.dpo, "--config", file(name, text)];
  return [
    [yaml("alpha.yaml", "alpha: 1.5\n"), /alpha\.yaml: alpha is 1\.5; it must be a number in \[0, 1\]/],
    [
      yaml("p.yaml", "optim: onties\nreserve_p: -0.1\n"),
      /p\.yaml: reserve_p is -0\.1; it must be a number in \[0, 1\]/,
    ],
    [[...calls.dpo, "--alpha", "-1"], /--alpha is "-1"/],
    [[...calls.dpo, "--reserve-p", "2"], /--reserve_p is "2"/],
    [yaml("unknown.yaml", "learning_rat: 1\n"), /unknown key "learning_rat"; did you mean "learning_rate"\?/],
    [yaml("text.yaml", "learning_rate: fast\n"), /learning_rate is "fast"; it must be a number ≥ 0/],
    [yaml("syntax.yaml", "a: [\n"), /syntax\.yaml:\d+: is not YAML/],
    [[...calls.dpo, "--config", join(folder, "gone.yaml")], /gone\.yaml: no such file/],
    [[...calls.dpo, "--config", folder], /cannot be read/],
    [["dpo", "--dataset_name", pairs], /needs --config FILE, or --model_name_or_path DIR/],
    [[...calls.dpo, "--learning_rate", "NaN"], /--learning_rate is "NaN"/],
    [[...calls.dpo, "--max_steps", "0"], /max_steps is 0/],
    [[...calls.dpo, "--rescale", "l1", "--optim", "ondare"], /merge_preset: official/],
    [[...calls.dpo, "--save_total_limit", "1"], /save_total_limit needs save_steps/],
    [[...calls.dpo, "--output_dir", ids], /is a file; choose a folder/],
    [[...calls.dpo, "--output_dir", join(ids, "below")], /is a file/],
    [[...calls.dpo, "--output_dir", policy], /output_dir is model_name_or_path/],
    [[...calls.dpo, "--loss_type", "ipo"], /--loss_type is "ipo"/],
  ];
});

test("no adapter for --device webgpu", { skip: process.platform !== "linux" }, async () => {
  const nowhere = join(folder, "no-driver.json");
  const env = { VK_ICD_FILENAMES: nowhere, VK_DRIVER_FILES: nowhere };
  const call = [...calls.generate, "--ids", "1", "--device", "webgpu"];
  refuses(await taugrad(call, env), /webgpu: no adapter: .*--device cpu/, "with a Vulkan loader but no driver");
  // Where the system has a Vulkan loader of its own, this is the same case again.
  refuses(await taugrad(call, { ...env, LD_LIBRARY_PATH: "" }), /webgpu: no adapter: .*--device cpu/, "with no loader");
});
