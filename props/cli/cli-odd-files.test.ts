/** What is no regular file is refused by its kind wherever a file is read: a pipe never begins, a device never ends. */
import { execFileSync } from "node:child_process";
import { cpSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Case, calls, file, folder, ids, pairs, policy, refused } from "./cli-refuses.js";

const isPosix = process.platform !== "win32";

/** Makes something odd at a path. */
const odd = {
  pipe: (path: string) => void execFileSync("mkfifo", [path]),
  device: (path: string) => symlinkSync("/dev/zero", path),
} as const;
type Kind = keyof typeof odd;

const made = (kind: Kind, name: string): string => {
  const path = join(folder, `${kind}-${name}`);
  odd[kind](path);
  return path;
};

/** A copy of the policy's folder with something odd in the place of a file. */
const model = (kind: Kind, name: string): string => {
  const to = join(folder, `model-${kind}-${name}`);
  cpSync(policy, to, { recursive: true });
  rmSync(join(to, name), { force: true });
  odd[kind](join(to, name));
  return to;
};

if (isPosix)
  refused("pipes and devices in the place of files", () => {
    const cases = (kind: Kind): Case[] => {
      const found = new RegExp(`is a ${kind}, and must be a regular file`);
      const tokens = [...calls.logprobs, "--ids-file", ids, "--model"];
      const text = [...calls.logprobs, "--text", "hello", "--model"];
      const args: readonly (readonly string[])[] = [
        ...["config.json", "generation_config.json", "model.safetensors"].map((name) => [...tokens, model(kind, name)]),
        ...["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"].map((name) => [
          ...text,
          model(kind, name),
        ]),
        [...calls.dpo, "--model_name_or_path", model(kind, "special_tokens_map.json")],
        [...calls.dpo, "--model_name_or_path", model(kind, "merges.txt")],
        [...calls.logprobs, "--model", policy, "--ids-file", made(kind, "ids.json")],
        ...["rows.jsonl", "rows.jsonl.gz", "rows.parquet"].map((name) => [...calls.eval, "--data", made(kind, name)]),
        [...calls.dpo, "--dataset_name", made(kind, "pairs.jsonl")],
        [...calls.dpo, "--config", made(kind, "config.yaml")],
        [...calls.dpo, "--chat_template_path", made(kind, "template.jinja")],
        ["evaluate", "--model", policy, "--device", "reference", "--tasks", made(kind, "tasks.yaml")],
        ["merge", made(kind, "merge.yaml"), join(folder, "merged")],
        ["fit", "--model", policy, "--adapter", made(kind, "adapter.json")],
      ];
      return args.map((one) => [one, found]);
    };
    return [...cases("pipe"), ...cases("device").filter((_, i) => i % 3 === 0)];
  });

if (isPosix)
  refused("a link that leads out of a model's folder is not followed into what is saved", () => {
    const secret = file("secret.txt", "nobody else's");
    const to = join(folder, "model-link");
    cpSync(policy, to, { recursive: true });
    symlinkSync(secret, join(to, "added_tokens.json"));
    writeFileSync(join(to, "vocab.json"), "{}");
    return [
      [
        [...calls.dpo, "--model_name_or_path", to, "--dataset_name", pairs],
        /added_tokens\.json: is a link that leads out/,
      ],
    ];
  });
