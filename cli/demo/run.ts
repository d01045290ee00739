import { join } from "node:path";
import { openRecords } from "../../align/training/writer.js";
import { type Device, dispose } from "../../core/index.js";
import { type DeviceName, open } from "../../kernels/index.js";
import { freshParams, saveWorldModel } from "../../lab/world/model.js";
import { trainBase, trainSft } from "../../lab/world/stages.js";
import { type Claim, checkOwn, signFolder } from "../../run/writing/claim.js";
import { progress } from "../progress.js";
import { untilEnded } from "../writing/until-ended.js";
import { align, alignments, demoExaminer, marginOf, prepareAlignment, shown, type Watch, world } from "./stages.js";
import { type Run, taxTable } from "./table.js";

export interface DemoOptions {
  readonly device: DeviceName;
  readonly adapter: number | string | undefined;
  /** Gets metrics.jsonl and a folder for each model. */
  readonly outputDir: string;
  /** Decides data, weights and masks. */
  readonly seed: number;
}

const intro = `taugrad demo: the alignment tax, in miniature
  A 155 264-parameter Llama learns eight text skills from nothing (base), then to answer requests (sft). DPO then teaches
  a style ("sure! … ok?") on two of the skills, four times from the same model. What do the other skills pay for it?
`;

const legend = `
  Shares in percent on 48 held-out requests a kind; avg: the eight skills; tax: avg minus the sft model's; style: share of
  styled answers; margin: mean reward margin on held-out pairs; length: tokens of an answer.  Two rates of AdamW keep the
  table honest: much of what a merging optimizer saves, a lower learning rate saves too. Compare at equal style.`;

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

/** What the demo writes, and replaces where it has written it before. */
const NAMES = ["metrics.jsonl", "base", "sft", ...alignments.map(({ folder }) => folder)];
const IDENTITY = { settings: {}, digests: {} };

/** Trains, aligns and measures; prints the table on stdout, everything else on stderr. */
export const runDemo = (options: DemoOptions): Promise<void> => {
  const { outputDir: folder } = options;
  const claim = { folder, what: "demo", overwrite: false, takes: (name: string) => NAMES.includes(name) };
  const place = { folder, what: "demo", farewell: "the demo begins anew when it is called again" };
  return untilEnded(place, { note: say }, async () => {
    checkOwn(claim, IDENTITY, say);
    await demonstrate(claim, options);
  });
};

const demonstrate = async (claim: Claim, { device: name, adapter, outputDir, seed }: DemoOptions): Promise<void> => {
  const begun = performance.now();
  const notes: string[] = [];
  const device = await open(name, { adapter, notice: (line) => notes.push(line) });
  say(intro);
  say(notes.length > 0 ? notes.join("\n") : `device: ${device.description}`);
  signFolder(claim, IDENTITY);
  const records = openRecords(join(outputDir, "metrics.jsonl"));
  const watch: Watch = {
    progress: (label, total) => progress({ label: label.padEnd(16), total, stream: process.stderr }),
    record: (run, record) => records.write({ run, ...record }),
  };
  try {
    const rows = await runAll(device, outputDir, seed, watch);
    process.stdout.write(`\n${taxTable(rows[0], rows.slice(1))}\n${legend}\n`);
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    process.stdout.write(
      `\n  ${seconds} s on ${device.description}; metrics.jsonl and the models are in ${outputDir}\n`,
    );
    process.stdout.write(
      `  Try one:  node dist/cli.js generate --model ${join(outputDir, "sft")} --greedy --prompt "<bos><u>upr abcde<a>"\n`,
    );
  } finally {
    records.close();
    await device.close();
  }
};

const runAll = async (device: Device, folder: string, seed: number, watch: Watch): Promise<Run[]> => {
  const examine = demoExaminer(seed, device);
  const fresh = freshParams(seed, device);
  const base = await shown("base", world.base.steps, watch, (onStep) =>
    trainBase(seed, fresh, world.base, device, onStep),
  );
  dispose(fresh);
  await saveWorldModel(join(folder, "base"), base);
  const sft = await shown("sft", world.sft.steps, watch, (onStep) => trainSft(seed, base, world.sft, device, onStep));
  await saveWorldModel(join(folder, "sft"), sft);

  const ground = await prepareAlignment(seed, base, sft, device);
  const before = { score: await examine(sft), margin: await marginOf(sft, ground, device) };
  const rows: Run[] = [{ name: "sft (before)", ...before }];
  for (const alignment of alignments) {
    const params = await align(alignment, ground, seed, device, watch);
    rows.push({
      name: alignment.name,
      score: await examine(params),
      margin: await marginOf(params, ground, device),
    });
    await saveWorldModel(join(folder, alignment.folder), params);
    dispose(params);
  }
  dispose(base, sft, ground.refDelta);
  return rows;
};
