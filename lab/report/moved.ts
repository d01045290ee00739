import type { Interval } from "../analysis/interval.js";
import { MAIN_STYLE } from "../analysis/table.js";
import type { Document, WorldResults } from "./document.js";
import { fixed, percent, points, signed } from "./numbers.js";
import { escaped } from "./svg.js";

/** A plain number with half its interval. */
const plain = (interval: Interval | undefined): string => {
  if (interval === undefined) return "–";
  const { mean, low, high } = interval;
  const half = Number.isFinite(low) && Number.isFinite(high) ? ` ± ${((high - low) / 2).toFixed(2)}` : "";
  return `${signed(mean, 2)}${half}`;
};

/** How far each method moves the model, and what it has for it. */
export const movedTable = (document: Document, world: string, { moved, forgetting }: WorldResults): string => {
  const lines = moved.map(
    ({ method, margin, skill, ...kl }) =>
      `<tr><td>${escaped(document.methods[method].label)}</td><td>${fixed(kl.new ?? Number.NaN, 2)}</td><td>${fixed(kl.old ?? Number.NaN, 3)}</td><td>${method === "adamw" ? "" : plain(margin)}</td><td>${method === "adamw" ? "" : points(skill)}</td></tr>`,
  );
  const said =
    forgetting === undefined
      ? ""
      : `<p><b>What is forgotten goes with KL on new prompts (rank correlation ${plain(forgetting.newKl)} over all methods and rates of
a seed), with KL on old prompts ${plain(forgetting.oldKl)}, with the learning rate ${plain(forgetting.learningRate)}.</b></p>`;
  const style = percent(MAIN_STYLE, 0);
  return `<h3>How far the model moves, ${escaped(world)} world</h3>
<p class="soft">KL(π₀‖π) a token in nats, π₀ the SFT model, on right plain answers to prompts of the kinds that preferences speak of (new), and
of all others (old), where style is ${style} %. Right: at the KL on new prompts that AdamW has there, reward margin and skill minus AdamW's.</p>
${said}<div class="scroll"><table data-table="moved ${escaped(world)}"><thead><tr><th></th><th>KL new</th><th>KL old</th><th>margin at equal KL</th><th>skill at equal KL</th></tr></thead>
<tbody>${lines.join("")}</tbody></table></div>`;
};
