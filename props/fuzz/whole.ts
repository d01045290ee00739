/** Runs and labs that nobody disturbs, what is done to their folders, and how they must go on. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { goldenPath } from "../golden/files.js";
import type { Run, Took } from "./attempt.js";
import { type Draw, pick } from "./mutate.js";

const STEPS = 4;
export const rows = Array.from(
  { length: 8 },
  (_, i) => `${JSON.stringify({ prompt: `say ${i}`, completion: "no ".repeat(i + 1) })}\n`,
);
export const training = (place: string, ...more: readonly string[]): string[] => [
  ...["sft", "--model_name_or_path", goldenPath("preferences", "policy"), "--dataset_name", join(place, "rows.jsonl")],
  ...["--output_dir", join(place, "out"), "--device", "cpu", "--max_length", "32", "--learning_rate", "1e-3"],
  ...["--per_device_train_batch_size", "4", "--logging_steps", "1", "--save_steps", "2", "--max_steps", String(STEPS)],
  ...more,
];
export const preferring = (place: string): string[] => [
  ...["dpo", "--model_name_or_path", goldenPath("preferences", "policy")],
  ...["--dataset_name", goldenPath("preferences", "plain.jsonl"), "--limit", "8", "--precompute_ref_log_probs"],
  ...["--output_dir", join(place, "out"), "--device", "cpu", "--max_length", "64", "--learning_rate", "1e-3"],
  ...["--per_device_train_batch_size", "4", "--logging_steps", "1", "--max_steps", "2"],
];
export const asking = (place: string): string[] => {
  const data = goldenPath("preferences", "plain.jsonl");
  const tasks = join(place, "tasks.yaml");
  const one = { prompt: "{prompt}", data, limit: 3 };
  const content = {
    tasks: [
      { name: "a", type: "scripts", ...one },
      { name: "b", type: "scripts", ...one, limit: 2 },
    ],
  };
  writeFileSync(tasks, JSON.stringify({ sampling: { max_new_tokens: 4, seed: 1 }, ...content }));
  return [
    ...[
      "evaluate",
      "--model",
      goldenPath("preferences", "policy"),
      "--tasks",
      tasks,
      "--output-dir",
      join(place, "out"),
    ],
    ...["--device", "cpu", "--batch-size", "2"],
  ];
};
export const lab = (place: string): string[] => [
  "lab",
  "--smoke",
  "--processes",
  "1",
  "--output-dir",
  join(place, "out"),
];

/** What came of a run or a lab that nobody disturbed. */
export interface Whole {
  readonly place: string;
  readonly result: (place: string) => string;
}

export const filesOf = (place: string, names: readonly string[]): string =>
  names
    .map((name) => (existsSync(join(place, "out", name)) ? readFileSync(join(place, "out", name), "latin1") : "none"))
    .join("\n");

export const whole = async (
  place: string,
  args: readonly string[],
  names: readonly string[],
  run: Run,
): Promise<Whole> => {
  writeFileSync(join(place, "rows.jsonl"), rows.join(""));
  const { code, stderr } = await run(args);
  if (code !== 0) throw new Error(stderr);
  return { place, result: (at) => filesOf(at, names) };
};

const WAYS = ["flip", "flip", "cut", "remove", "grow", "empty"];

/** A flipped bit, a cut or a missing file somewhere under a folder. */
export const damage = (folder: string, draw: Draw, which = /./, ways = WAYS): string => {
  const files = (readdirSync(folder, { recursive: true }) as string[]).filter(
    (name) => which.test(name) && statSync(join(folder, name)).isFile(),
  );
  const name = pick(draw, files.sort());
  const path = join(folder, name);
  const { size } = statSync(path);
  const how = pick(draw, ways);
  if (how === "remove") rmSync(path);
  else if (how === "cut") truncateSync(path, draw(size));
  else if (how === "empty") truncateSync(path, 0);
  else {
    const bytes = readFileSync(path);
    if (how === "flip") bytes[draw(size)] ^= 1 << draw(8);
    writeFileSync(path, how === "grow" ? Buffer.concat([bytes, bytes]) : bytes);
  }
  return `${name}, ${how}`;
};

/** The same call again, undisturbed, must end in what it would have ended in. */
export const recovers =
  ({ result, place: undisturbed }: Whole, place: string, again: () => readonly string[]) =>
  async ({ code, stderr }: Took, run: Run): Promise<string | undefined> => {
    const want = result(undisturbed);
    if (code === 0 && result(place) !== want && !/warning/.test(stderr)) return "another result, without a word";
    const later = await run(again());
    if (later.code !== 0) return `it does not go on: ${later.stderr.slice(-400)}`;
    return result(place) === want ? undefined : "it goes on to another result";
  };

export const copied = ({ place: from }: Whole, place: string): void => cpSync(from, place, { recursive: true });

/** Whether there is something to go on from. */
export const resuming = (place: string): string[] => {
  const out = join(place, "out");
  const has = existsSync(out) && readdirSync(out).some((name) => /^checkpoint-\d+$/.test(name));
  return training(place, ...(has ? ["--resume"] : []));
};
