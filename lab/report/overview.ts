import { mean, type Verdict } from "../analysis/interval.js";
import { FULL_STYLE, MAIN_STYLE, placesAt, rowsByRate } from "../analysis/table.js";
import { badge } from "./claims.js";
import type { Document } from "./document.js";
import { worldLandscape } from "./frontiers.js";
import { percent, rate, signed } from "./numbers.js";
import { escaped } from "./svg.js";

const tile = (number: string, words: string): string => `<li><b>${number}</b><span>${words}</span></li>`;

/** Largest minus smallest, in points. */
const spread = (shares: readonly number[]): string => (100 * (Math.max(...shares) - Math.min(...shares))).toFixed(1);

/** What AdamW pays for the style, and how much of what is paid learning rate and method decide. */
const worldTiles = ({ runs, worlds }: Document, world: string): string => {
  const { table, sft } = worlds[world];
  const places = placesAt(runs, world, "adamw", FULL_STYLE);
  const reached = places.flatMap((place) => (place === undefined ? [] : [place.test]));
  const paths = rowsByRate(runs, world, "adamw");
  const rates = [paths[0], paths[paths.length - 1]].map(([x]) => rate(x));
  const gains = table.flatMap(({ minusAdamW }) => (minusAdamW === undefined ? [] : [minusAdamW.mean]));
  const name = `${escaped(world)} world`;
  const tiles = [
    reached.length < places.length
      ? ""
      : tile(
          `${signed(100 * (mean(reached) - sft.average))} points`,
          `of skill for ${percent(FULL_STYLE, 0)} % style, under AdamW at the learning rate that brings it; ${name}`,
        ),
    gains.length < 2
      ? ""
      : tile(
          `${spread(paths.map(([, { average }]) => average))} <small>against</small> ${spread(gains)}`,
          `points between AdamW's learning rates, ${rates.join(" to ")}, and between methods at equal style, ${percent(MAIN_STYLE, 0)} %; ${name}`,
        ),
  ];
  return tiles.join("");
};

const VERDICTS = ["replicates", "does not replicate", "undecided", "not run"] as const satisfies readonly Verdict[];

/** How the claims fared, in numbers; they stand below, once. */
const verdictCounts = ({ claims }: Document): string => {
  const counts = VERDICTS.flatMap((verdict) => {
    const count = claims.filter((claim) => claim.verdict === verdict).length;
    return count === 0 ? [] : [`${count} ${badge(verdict)}`];
  });
  return `<p>Of the paper's claims and a sceptic's, world by world: ${counts.join(", ")}. <a href="#claims">Each with its interval</a>.</p>`;
};

/** What a reader should see first: what it costs, what decides it, and every method in one drawing a world. */
export const overview = (document: Document): string => {
  const worlds = Object.keys(document.worlds);
  return `<ul class="tiles">
${worlds.map((world) => worldTiles(document, world)).join("\n")}
</ul>
${verdictCounts(document)}
<div class="charts wide">${worlds.map((world) => worldLandscape(document, world)).join("")}</div>
<p class="soft">Every dot is a method at one learning rate, test prompts, mean over seeds. Ochre: the SFT model, where all
start. Who is above the grey line pays less than AdamW for the same style. A line that is pointed at says its name; those of one
colour have dashes of their own, and <a href="#${escaped(worlds[0])}">below</a> each method has a drawing to itself.</p>`;
};
