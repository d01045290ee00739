/**
 * Faults planted by hand, each with the law that must notice it: prints a JSON list of { fault, law, without, with }:
 * what became of the laws of that number, { title, error? } each, without the fault and with it. See mutants.test.ts.
 */
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { root } from "../../build.mjs";
import { bundleLaws, openLaws } from "./laws.mjs";

const LAWS = [
  "optim/optim-laws",
  "optim/optim-edges",
  "optim/optim-sparsify",
  "optim/optim-step-k",
  "optim/optim-masks",
  "align/objectives/losses",
  "align/objectives/losses-laws",
  "align/objectives/losses-kto",
].map((name) => `props/${name}.test.ts`);

/** `planted` takes the place of the expression `original`, in the one place of the file that reads `within`. */
const faults = [
  {
    fault: "one mask for τ and Δ",
    file: "optim/masks.ts",
    within: "at(STREAM[stream], name)",
    original: "STREAM[stream]",
    planted: 'STREAM[stream === "tau" ? "delta" : stream]',
    law: "law 27",
  },
  {
    fault: "the mask does not change from step to step",
    file: "optim/masks.ts",
    within: "foldInEach(foldIn(key, step), tensor(",
    original: "foldIn(key, step)",
    planted: "key",
    law: "law 27",
  },
  {
    fault: "official decay acts on the weights before the update",
    file: "optim/decay.ts",
    original: "add(now.w, out.change)",
    planted: "now.w",
    law: "law 1, official",
  },
  {
    fault: "decay is gathered by step-K",
    file: "optim/preset.ts",
    original: "stepK(base, merge, onlineStep)",
    planted: "stepK(decayed(base, { rate: weightDecay, of, decays }), merge, onlineStep)",
    law: "law 20",
  },
  {
    fault: "1/p is forgotten",
    file: "optim/sparsify.ts",
    original: "mul(kept, 1 / p)",
    planted: "kept",
    law: "law 26",
  },
  {
    fault: "the official vote is weighted",
    file: "optim/consensus.ts",
    within: "positive = greaterEqual(add(tau, delta), 0)",
    original: "greaterEqual(add(tau, delta), 0)",
    planted: "greaterEqual(weightedSum(delta, tau, alpha), 0)",
    law: "law 1, trap",
  },
  {
    fault: "the paper's vote is not weighted",
    file: "optim/consensus.ts",
    original: "signConsensus(mul(1 - alpha, delta), mul(alpha, tau))",
    planted: "mul(1 - alpha, signConsensus(delta, tau))",
    law: "law 1:",
  },
  {
    fault: "α and 1−α change places",
    file: "optim/consensus.ts",
    original: "add(mul(1 - alpha, delta), mul(alpha, tau))",
    planted: "add(mul(alpha, delta), mul(1 - alpha, tau))",
    law: "law 7",
  },
  {
    fault: "τ = 0 leaves Δ whole",
    file: "optim/consensus.ts",
    original: "add(mul(1 - alpha, delta), mul(alpha, tau))",
    planted: "add(delta, mul(alpha, tau))",
    law: "law 8",
  },
  {
    fault: "the drift is scaled by the learning rate",
    file: "optim/merge.ts",
    original: "now.tau as Tensor",
    planted: "__core.mul(now.lr, now.tau as Tensor)",
    law: "law 5",
  },
  {
    fault: "τ is given Δ's mask",
    file: "optim/merge.ts",
    within: 'tau : merge.tau(tau, "tau", draw)',
    original: 'merge.tau(tau, "tau", draw)',
    planted: 'merge.tau(tau, "delta", draw)',
    law: "law 27",
  },
  {
    fault: "Δc is not reset",
    file: "optim/step-k.ts",
    original: "where(merges, 0, gathered)",
    planted: "gathered",
    law: "law 20",
  },
  {
    fault: "Δc is not taken back at a merge",
    file: "optim/step-k.ts",
    original: "sub(mergeStep(merge, gathered, now.tau as Tensor, now.draw), sinceMerge)",
    planted: "mergeStep(merge, gathered, now.tau as Tensor, now.draw)",
    law: "law 17",
  },
  {
    fault: "moments are rolled back at a merge",
    file: "optim/step-k.ts",
    original: "base.step(grad, slots, now)",
    planted: `((out) => ({
      ...out,
      slots: Object.fromEntries(
        Object.entries(out.slots).map(([name, x]) => [name, where(equal(now.scalars.phase, scalar(k)), slots[name], x)]),
      ),
    }))(base.step(grad, slots, now))`,
    law: "law 17",
  },
  {
    fault: "the merge comes a step early",
    file: "optim/step-k.ts",
    original: "equal(now.scalars.phase, scalar(k))",
    planted: "equal(now.scalars.phase, scalar(k - 1))",
    law: "law 19",
  },
  {
    fault: "ties of top-p are broken at random",
    file: "optim/sparsify.ts",
    original: "topkMask(x, k)",
    planted: "topkMask(add(abs(x), mul(1e-6, __core.uniform(__core.key(n), x.shape))), k)",
    law: "law 22",
  },
  {
    fault: "what rounding took is subtracted",
    file: "optim/optimizer.ts",
    original: "add(out.change, lost)",
    planted: "sub(out.change, lost)",
    law: "law 13",
  },
  {
    fault: "the margin is rejected over chosen",
    file: "align/objectives/losses.ts",
    original: "sub(rw, rl)",
    planted: "sub(rl, rw)",
    law: "(35)",
  },
  {
    fault: "the reference is left out of the ratio",
    file: "align/objectives/losses.ts",
    original: "sub(policy, reference)",
    planted: "policy",
    law: "(31)",
  },
  {
    fault: "robust's labels are flipped twice as often",
    file: "align/objectives/losses.ts",
    original: "1 - 2 * eps",
    planted: "1 - 4 * eps",
    law: "(32)",
  },
  {
    fault: "KTO's KL passes a gradient",
    file: "align/objectives/kto.ts",
    original: "stopGradient(maximum(div(sum(mul(ratio, real)), maximum(sum(real), 1)), 0))",
    planted: "maximum(div(sum(mul(ratio, real)), maximum(sum(real), 1)), 0)",
    law: "(36)",
  },
];

const places = new Map();
for (const [index, { file, within, original, planted }] of faults.entries()) {
  const context = within ?? original;
  const place = places.get(`${file} ${context}`) ?? { file, context, original, choices: "" };
  place.choices += `__on(${index}) ? (${planted}) : `;
  places.set(`${file} ${context}`, place);
}
/** A file with all its faults, each behind a switch. */
const sourceOf = (file) => {
  const source = readFileSync(join(root, file), "utf8");
  const edits = [...places.values()]
    .filter((place) => place.file === file)
    .map(({ context, original, choices }) => {
      const at = source.indexOf(context);
      if (at < 0 || source.includes(context, at + 1)) throw new Error(`${file} does not read once: ${context}`);
      return { at: at + context.indexOf(original), original, choices };
    })
    .sort((a, b) => b.at - a.at);
  const edited = edits.reduce(
    (text, { at, original, choices }) =>
      `${text.slice(0, at)}(${choices}${original})${text.slice(at + original.length)}`,
    source,
  );
  return `import * as __core from "${relative(dirname(file), "core/index.js").replaceAll("\\", "/")}"; ${edited}`;
};
const sources = new Map(faults.map(({ file }) => [file, sourceOf(file)]));

const bundle = await bundleLaws(LAWS, "planted", (file) => sources.get(file));
const thread = openLaws(bundle);
const { results } = await thread.ask({ laws: [], all: true });
const out = [];
if (results.length > 0) throw new Error(results[0].error);
for (const [mutant, { fault, law }] of faults.entries()) {
  const titles = (answer) => answer.results.map(({ title, error }) => ({ title, error }));
  const [without, withFault] = [
    await thread.ask({ about: law, all: true }),
    await thread.ask({ about: law, mutant, all: true }),
  ];
  if (withFault.ended !== undefined) throw new Error(`"${fault}": ${withFault.ended}`);
  out.push({ fault, law, without: titles(without), with: titles(withFault) });
}
await thread.close();
console.log(JSON.stringify(out));
