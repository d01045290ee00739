import { analysisSection } from "./analyses.js";
import { claimsSection } from "./claims.js";
import { curvesSection } from "./curves.js";
import type { Document } from "./document.js";
import { lossSection } from "./losses.js";
import { overview } from "./overview.js";
import { pageOf } from "./page.js";
import { rivalsSection } from "./rivals.js";
import { settingsSection } from "./settings.js";
import { worldSection } from "./world.js";

const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`;

const NOTES: Readonly<Record<string, string>> = {
  quick: `<p><b>A quick lab.</b> One small world, few learning rates, no analyses: differences of a few points cannot be told
apart here. <code>taugrad lab</code> runs the whole.</p>`,
  smoke: `<p><b>A smoke run.</b> It shows that the lab runs on this machine; its numbers mean nothing.</p>`,
};

const intro = ({ size, runs }: Document): string => `
<h1>The alignment tax, rerun</h1>
<p>A 155 264-parameter Llama learns eight text skills from nothing (base), then to answer requests (SFT). Preference training
then teaches a style, <code>sure! … ok?</code>, on two of the skills. What do the others pay for it, and who pays less?
The questions are those of Lu et al. 2024, <i>Online Merging Optimizers for Boosting Rewards and Mitigating Tax in Alignment</i>;
τ is the SFT model minus the base model.</p>
<p class="soft">${plural(runs.length, "run")}, ${plural(size.seeds.length, "seed")} (${size.seeds.join(", ")}),
${plural(Object.keys(size.worlds).length, "world")} (${Object.keys(size.worlds).join(", ")}), learning rates
${size.rates.map((rate) => rate.toExponential().replace("e-", "e−")).join(", ")} for every method. Learning rates, frontier places and
best settings are chosen on validation prompts; every number shown is of test prompts. Skill is exact match, mean over
seven of the skills (sums of two digits are learned or not as the seed falls); style the share of answers in the wanted style; ± are 95 % intervals of Student's t over seeds, paired by seed.
Everything here follows from <code>results.json</code>.</p>
${NOTES[size.name] ?? ""}`;

/** The report: one file, no network, no script. A function of what results.json holds. */
export const reportOf = (document: Document): string => {
  const parts = [
    rivalsSection(document),
    claimsSection(document),
    ...Object.keys(document.worlds).map((world) => worldSection(document, world)),
    analysisSection(document),
    lossSection(document),
    curvesSection(document),
    settingsSection(document),
  ].filter((part) => part !== undefined);
  return pageOf("The alignment tax, rerun", "taugrad lab", parts, intro(document), overview(document));
};
