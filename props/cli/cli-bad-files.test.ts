/** Model folders and data files that are wrong. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { goldenPath } from "../golden/files.js";
import { calls, file, folder, ids, policy, refused, tiny } from "./cli-refuses.js";

const sharded = goldenPath("llama3-tiny");

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
    [[...calls.eval, "--loss-type", "sigmod"], /--loss-type is "sigmod"; did you mean "sigmoid"\?$/m],
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
    [
      [...calls.dpo, "--model_name_or_path", vocabulary],
      /end token .* has id \d+, beyond the model's vocabulary of 300/,
    ],
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
