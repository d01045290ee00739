import type { Verdict } from "../analysis/interval.js";
import { MAIN_STYLE, rowsByRate } from "../analysis/table.js";
import type { Document } from "./document.js";
import { landscape } from "./frontiers.js";
import { percent, rate, signed } from "./numbers.js";
import { escaped } from "./svg.js";

const tile = (number: string, words: string): string => `<li><b>${number}</b><span>${words}</span></li>`;

/** Largest minus smallest, in points. */
const spread = (shares: readonly number[]): string => (100 * (Math.max(...shares) - Math.min(...shares))).toFixed(1);

const worldTiles = (document: Document, world: string): string => {
  const { sft, table } = document.worlds[world];
  const paths = rowsByRate(document.runs, world, "adamw");
  const [x, last] = paths[paths.length - 1];
  const skills = paths.map(([, { average }]) => average);
  const gains = table.flatMap(({ minusAdamW }) => (minusAdamW === undefined ? [] : [minusAdamW.mean]));
  const name = `${escaped(world)} world`;
  return [
    tile(
      `${signed(100 * (last.average - sft.average), 0)} points`,
      `of skill for ${percent(last.style, 0)} % style: AdamW at its largest learning rate, ${rate(x)}; ${name}`,
    ),
    gains.length < 2
      ? ""
      : tile(
          `${spread(skills)} <small>against</small> ${spread(gains)}`,
          `points between learning rates (AdamW), and between methods at equal style (${percent(MAIN_STYLE, 0)} %); ${name}`,
        ),
  ].join("\n");
};

const ICONS = { replicates: "✓", "does not replicate": "✗", undecided: "?" } as const satisfies Partial<
  Record<Verdict, string>
>;

const verdictTile = ({ claims }: Document): string => {
  const count = (verdict: Verdict) => claims.filter((claim) => claim.verdict === verdict).length;
  const numbers = Object.entries(ICONS).map(([verdict, icon]) => `${count(verdict as Verdict)} ${icon}`);
  return tile(
    numbers.join(" &nbsp; "),
    "verdicts, a claim in a world each: replicates, does not, undecided at this number of seeds",
  );
};

/** What a reader should see first: what it costs, what decides it, and every method in one drawing a world. */
export const overview = (document: Document): string => {
  const worlds = Object.keys(document.worlds);
  return `<ul class="tiles">
${worlds.map((world) => worldTiles(document, world)).join("\n")}
${verdictTile(document)}
</ul>
<div class="charts wide">${worlds.map((world) => landscape(document, world)).join("")}</div>
<p class="soft">Every dot is a method at one learning rate, test prompts, mean over seeds. All start at the ochre dot; who is
above the dashed line pays less than AdamW for the same style.</p>`;
};
