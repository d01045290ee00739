/**
 * The mutation score: npm run mutants [-- FILE… --every=N --all --json]
 * (every N-th mutant only; the killed ones too; survivors without a reason as entries for equivalent.json)
 * Plants one fault after the other in optim/ and in the losses, and asks whether a law on the oracle notices. Faults that
 * are none (the mutant computes the same) are listed in equivalent.json with the reason. Exits 1 if less than 95 % of all
 * die, or if a survivor has no reason, or a listed one is killed or gone.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { root } from "../../build.mjs";
import { filesUnder } from "../bundle.mjs";
import { bundleLaws, openLaws } from "./laws.mjs";
import { mutate } from "./mutate.mjs";

const REQUIRED = 0.95;
/** Milliseconds of laws, the likeliest first, that a mutant must survive; a law not tried can only lower the score. */
const PATIENCE = 15_000;
const subjects = ["optim", "align/objectives"]
  .flatMap((folder) => filesUnder(folder, ".ts"))
  .filter((file) => !file.endsWith("/index.ts"));
/** Law files that speak of the subjects; those of the command line see the built package, which has no mutants. */
const lawFiles = filesUnder("props", ".test.ts").filter(
  (file) => /\/(optim|losses|evaluate|merge)[^/]*$/.test(file) && !/-(cli|refusals)\b/.test(file),
);

const args = process.argv.slice(2);
const wanted = args.filter((arg) => !arg.startsWith("--"));
const verbose = args.includes("--all");
const files = subjects.filter((file) => wanted.length === 0 || wanted.some((name) => file.includes(name)));
if (files.length === 0) {
  console.error(`no file of optim/ or the losses is named like: ${wanted.join(", ")}`);
  process.exit(2);
}

const start = performance.now();
const every = Number(args.find((arg) => arg.startsWith("--every="))?.slice(8) ?? 1);
const { mutants: planted, sources } = mutate(subjects);
const mutants = planted.filter(({ id, file }) => files.includes(file) && id % every === 0);
const bundle = await bundleLaws(lawFiles, "laws", (file) => sources.get(file));
const threads = Array.from({ length: Math.min(2, availableParallelism()) }, () => openLaws(bundle));
const { results = [], loading, ended } = await threads[0].ask({ all: true });
if (ended !== undefined) console.error(`without a mutant: ${ended}`);
// A law that fails by itself is no judge.
const broken = results.filter(({ error }) => error !== undefined);
for (const { title, error } of broken) console.error(`fails without a mutant: ${title}\n  ${error.split("\n")[0]}`);
const laws = results.filter(({ error }) => error === undefined);
if (laws.length === 0) process.exit(2);

// What a law never evaluates cannot fail it. Of mutants that are met only while files load, the laws about their file, or
// about its neighbours where all of it is met so.
const lawsOf = new Map();
for (const law of laws)
  for (const id of law.hits) {
    if (!lawsOf.has(id)) lawsOf.set(id, []);
    lawsOf.get(id).push(law);
  }
const whileLoading = new Set(loading);
const lawsAbout = (chosen) => {
  const around = new Set(planted.filter(({ file }) => chosen(file)).map(({ id }) => id));
  return laws.filter(({ hits }) => hits.some((hit) => around.has(hit)));
};
for (const { id, file } of mutants)
  if (whileLoading.has(id) && !lawsOf.has(id)) {
    const own = lawsAbout((other) => other === file);
    lawsOf.set(id, own.length > 0 ? own : lawsAbout((other) => dirname(other) === dirname(file)));
  }

const short = (text) => {
  const line = text.replace(/\s+/g, " ");
  return line.length > 90 ? `${line.slice(0, 87)}…` : line;
};
const show = ({ file, line, original, text }) => `${file}:${line}  ${short(original)}  →  ${short(text)}`;

/** Laws in the order to try: quick ones that are about little else, and that killed before, come first. */
const kills = new Map();
const ordered = (candidates) => {
  const worth = ({ index, ms, hits }) => (1 + (kills.get(index) ?? 0)) / (5 + ms) / (100 + hits.length);
  const sorted = [...candidates].sort((a, b) => worth(b) - worth(a));
  let spent = 0;
  return sorted.filter(({ ms }) => {
    spent += ms;
    return spent <= PATIENCE;
  });
};
const fate = async (mutant, thread) => {
  const candidates = ordered(lawsOf.get(mutant.id) ?? []);
  if (candidates.length === 0) return { survives: "no law evaluates it" };
  const limit = 10_000 + 5 * candidates.reduce((total, { ms }) => total + ms, 0);
  const request = { mutant: mutant.id, laws: candidates.map(({ index }) => index), fresh: whileLoading.has(mutant.id) };
  const { ended, results } = await thread.ask(request, limit);
  if (ended !== undefined) return { by: ended };
  const failed = results.find(({ error }) => error !== undefined);
  if (failed === undefined) return { survives: `${candidates.length} laws hold` };
  kills.set(failed.index, (kills.get(failed.index) ?? 0) + 1);
  return { by: failed.title };
};

if (args.includes("--times")) for (const { title, ms } of laws) console.log(ms.toFixed(0), title);
console.log(`${mutants.length} mutants in ${files.length} files, ${laws.length} laws`);
const fates = new Map();
const queue = [...mutants];
const work = async (thread) => {
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const its = await fate(mutant, thread);
    fates.set(mutant.id, its);
    if (its.survives !== undefined) console.log(`survives  ${show(mutant)}  (${its.survives})`);
    else if (verbose) console.log(`killed    ${show(mutant)}  by ${its.by}`);
  }
};
await Promise.all(threads.map(work));
await Promise.all(threads.map(({ close }) => close()));

const listed = JSON.parse(readFileSync(join(root, "props", "mutants", "equivalent.json"), "utf8"));
const same = (entry, mutant) =>
  entry.file === mutant.file &&
  entry.in === mutant.within &&
  entry.original === mutant.original &&
  entry.mutant === mutant.text &&
  (entry.nth ?? 1) === mutant.nth;
const survivors = mutants.filter(({ id }) => fates.get(id).survives !== undefined);
const unexplained = survivors.filter((mutant) => !listed.some((entry) => same(entry, mutant)));
const stale = listed.filter((entry) => files.includes(entry.file) && !survivors.some((mutant) => same(entry, mutant)));

console.log("");
for (const file of files) {
  const its = mutants.filter((mutant) => mutant.file === file);
  const killed = its.filter(({ id }) => fates.get(id).survives === undefined).length;
  if (its.length > 0) console.log(`${file.padEnd(32)} ${killed} of ${its.length}`);
}
for (const { file, original, mutant } of stale)
  console.log(`listed as equivalent, but killed or gone: ${file}: ${short(original)} → ${short(mutant)}`);
for (const mutant of unexplained) console.log(`no reason given: ${show(mutant)}`);
if (args.includes("--json"))
  console.log(
    JSON.stringify(
      unexplained.map(({ file, within, original, text, nth }) => ({
        file,
        in: within,
        original,
        mutant: text,
        ...(nth > 1 ? { nth } : {}),
        reason: "",
      })),
      null,
      2,
    ),
  );
const killed = mutants.length - survivors.length;
const score = killed / mutants.length;
console.log(
  `score ${(100 * score).toFixed(1)} %: ${killed} of ${mutants.length} killed, ` +
    `${survivors.length} survive (${survivors.length - unexplained.length} with a reason), ` +
    `${((performance.now() - start) / 1000).toFixed(0)} s`,
);
// Of a few files the share says little: a handful of equivalent ones weighs too much.
const low = files.length === subjects.length && score < REQUIRED;
process.exitCode = broken.length > 0 || low || unexplained.length > 0 || stale.length > 0 ? 1 : 0;
