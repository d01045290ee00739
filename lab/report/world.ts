import type { Document } from "./document.js";
import { worldForest, worldPanels } from "./frontiers.js";
import { movedTable } from "./moved.js";
import { percent } from "./numbers.js";
import type { Part } from "./part.js";
import { escaped } from "./svg.js";
import { frontierTable, skillTable, tableOf } from "./tables.js";

/** All that a world's Table 1 runs show. */
export const worldSection = (document: Document, world: string): Part => {
  const results = document.worlds[world];
  return {
    id: escaped(world),
    title: `The ${escaped(world)} world`,
    body: `<p class="soft">rms τ is ${percent(results.relativeDelta)} % of rms θ; the SFT model has ${percent(results.sft.average)} % skill and ${percent(results.sft.style)} % style.</p>
${worldForest(document, world, results)}
${worldPanels(document, world)}
${frontierTable(document, world, results)}
${tableOf(document, world, results)}
${movedTable(document, world, results)}
${skillTable(document, world, results)}`,
  };
};
