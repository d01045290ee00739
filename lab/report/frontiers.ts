import { select } from "../analysis/results.js";
import { MAIN_STYLE } from "../analysis/table.js";
import type { Family } from "../methods.js";
import type { Document, WorldResults } from "./document.js";
import { percent } from "./numbers.js";
import { DEEPEST, type Field, forestOf, type Line, landscape, panelsOf, REFERENCE, START } from "./paths.js";
import { escaped, shares } from "./svg.js";

const COLOR: Readonly<Record<Family, number>> = {
  plain: REFERENCE,
  regularizer: 1,
  "offline merge": 4,
  "online merge": 2,
  rival: 5,
  proposal: 7,
  control: 3,
};

/** Below this style rate little is learned, and little paid. */
const HALF = 0.5;

/** A world as it is drawn. */
const fieldOf = (document: Document, world: string): Field => {
  const lines = Object.entries(document.methods).map(([name, { label, family }]): Line & { readonly name: string } => {
    const runs = select(document.runs, { section: "methods", world, line: name });
    return { name, label, color: COLOR[family], kind: family, runs };
  });
  const sft = select(document.runs, { section: "sft", world });
  const adamw = lines.find(({ name }) => name === "adamw");
  return {
    start: { label: "SFT", color: START, kind: "SFT", runs: sft },
    reference: adamw ?? { label: "AdamW", color: REFERENCE, kind: "plain", runs: [] },
    others: lines.filter(({ name }) => name !== "adamw"),
    x: shares("style rate (%)", HALF, 1),
    told: (style) => `style ${percent(style)} %`,
  };
};

/** All methods of a world in one drawing. */
export const worldLandscape = (document: Document, world: string): string =>
  landscape(`Skill against style, ${world} world`, fieldOf(document, world));

/** Skill at the main style rate minus AdamW's, method by method. */
export const worldForest = (document: Document, world: string, { table }: WorldResults): string => {
  const rows = table
    .filter(({ method }) => method !== "adamw")
    .map(({ method, minusAdamW, places }) => {
      const { label, family } = document.methods[method];
      return { label, color: COLOR[family], kind: family, interval: minusAdamW, places };
    });
  return forestOf(`Skill at style ${percent(MAIN_STYLE, 0)} % minus AdamW's, ${world} world (points)`, rows, "AdamW");
};

/** A small drawing for each method. */
export const worldPanels = (document: Document, world: string): string =>
  `<h3>Method by method, ${escaped(world)} world</h3>
<p class="soft">Each dot is a learning rate, mean over seeds; bars reach from the lowest to the highest seed. Up and right is better.
Grey: AdamW. Ochre: the SFT model, where all start. A method is worth something where its line is above AdamW's, not where one dot
is. What lies below half of the style, or ${percent(DEEPEST, 0)} points below the SFT model, is cut off.</p>
${panelsOf(fieldOf(document, world))}`;
