/** What happens to runs: damaged checkpoints, system errors, short writes, kills; and a lab's damaged cache. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { goldenPath } from "../golden/files.js";
import type { Attempt, Kind, Run, Took } from "./attempt.js";
import { type Draw, pick } from "./mutate.js";

const STEPS = 4;
const rows = Array.from(
  { length: 8 },
  (_, i) => `${JSON.stringify({ prompt: `say ${i}`, completion: "no ".repeat(i + 1) })}\n`,
);
const training = (place: string, ...more: readonly string[]): string[] => [
  ...["sft", "--model_name_or_path", goldenPath("preferences", "policy"), "--dataset_name", join(place, "rows.jsonl")],
  ...["--output_dir", join(place, "out"), "--device", "cpu", "--max_length", "32", "--learning_rate", "1e-3"],
  ...["--per_device_train_batch_size", "4", "--logging_steps", "1", "--save_steps", "2", "--max_steps", String(STEPS)],
  ...more,
];
const lab = (place: string): string[] => ["lab", "--smoke", "--processes", "1", "--output-dir", join(place, "out")];

/** What came of a run or a lab that nobody disturbed. */
interface Whole {
  readonly place: string;
  readonly result: (place: string) => string;
}

const filesOf = (place: string, names: readonly string[]): string =>
  names
    .map((name) => (existsSync(join(place, "out", name)) ? readFileSync(join(place, "out", name), "latin1") : "none"))
    .join("\n");

const whole = async (place: string, args: readonly string[], names: readonly string[], run: Run): Promise<Whole> => {
  writeFileSync(join(place, "rows.jsonl"), rows.join(""));
  const { code, stderr } = await run(args);
  if (code !== 0) throw new Error(stderr);
  return { place, result: (at) => filesOf(at, names) };
};

/** A flipped bit, a cut or a missing file somewhere under a folder. */
const damage = (folder: string, draw: Draw): string => {
  const files = (readdirSync(folder, { recursive: true }) as string[]).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );
  const name = pick(draw, files.sort());
  const path = join(folder, name);
  const { size } = statSync(path);
  const how = pick(draw, ["flip", "flip", "cut", "remove", "grow", "empty"]);
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

const ERRORS = ["ENOSPC", "EIO", "EDQUOT", "EROFS", "EFBIG", "EMFILE", "EACCES", "EBUSY", "EINTR", "ENOENT"];

/** The same call again, undisturbed, must end in what it would have ended in. */
const recovers =
  ({ result, place: undisturbed }: Whole, place: string, again: () => readonly string[]) =>
  async ({ code, stderr }: Took, run: Run): Promise<string | undefined> => {
    const want = result(undisturbed);
    if (code === 0 && result(place) !== want && !/warning/.test(stderr)) return "another result, without a word";
    const later = await run(again());
    if (later.code !== 0) return `it does not go on: ${later.stderr.slice(-400)}`;
    return result(place) === want ? undefined : "it goes on to another result";
  };

const copied = ({ place: from }: Whole, place: string): void => cpSync(from, place, { recursive: true });

/** Whether there is something to go on from. */
const resuming = (place: string): string[] => {
  const out = join(place, "out");
  const has = existsSync(out) && readdirSync(out).some((name) => /^checkpoint-\d+$/.test(name));
  return training(place, ...(has ? ["--resume"] : []));
};

/** Kinds that need a finished run and a finished lab to begin with; made in folders of their own. */
export const runKinds = async (
  folder: (name: string) => string,
  run: Run,
  faults: string,
): Promise<Readonly<Record<string, Kind>>> => {
  const trained = folder("trained");
  const done = await whole(trained, training(trained), ["model.safetensors", "metrics.jsonl"], run);
  const studied = folder("studied");
  const studies = await whole(studied, lab(studied), ["results.json", "report.html"], run);

  const checkpoint: Kind = (draw, place) => {
    copied(done, place);
    const out = join(place, "out");
    for (const name of ["model.safetensors", "config.json"]) rmSync(join(out, name));
    // Of two checkpoints one stays whole.
    const what = damage(join(out, `checkpoint-${pick(draw, [2, 4])}`), draw);
    return { what, args: training(place, "--resume"), lost: recovers(done, place, () => training(place, "--resume")) };
  };

  const cache: Kind = (draw, place) => {
    copied(studies, place);
    const what = damage(join(place, "out", "cache"), draw);
    return { what, args: lab(place), lost: recovers(studies, place, () => lab(place)) };
  };

  const faulty =
    (what: (draw: Draw) => string, lasts: boolean): Kind =>
    (draw, place): Attempt => {
      writeFileSync(join(place, "rows.jsonl"), rows.join(""));
      const [fault, at] = [what(draw), 1 + draw(160)];
      return {
        what: `${fault} at call ${at}${lasts ? " and after" : ""}`,
        args: training(place),
        env: {
          ...{ NODE_OPTIONS: `--import ${faults}`, FAULT: fault, FAULT_AT: String(at), FAULT_UNDER: place },
          FAULT_LASTS: lasts ? "1" : "0",
        },
        kills: fault === "KILL",
        lost: recovers(done, place, () => resuming(place)),
      };
    };

  return {
    checkpoint,
    "lab's cache": cache,
    "system error": faulty((draw) => pick(draw, ERRORS), false),
    "full disk": faulty((draw) => pick(draw, ["ENOSPC", "EDQUOT", "EIO", "EROFS"]), true),
    "short write": faulty(() => "short", false),
    "short writes": faulty(() => "short", true),
    kill: faulty(() => "KILL", false),
  };
};
