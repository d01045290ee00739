import { mean } from "../analysis/interval.js";
import { type LossRow, MAIN_STYLE } from "../analysis/table.js";
import type { Document } from "./document.js";
import { percent, points, rate } from "./numbers.js";
import type { Part } from "./part.js";
import { escaped } from "./svg.js";

const NAMES: Readonly<Record<string, string>> = { sigmoid: "DPO", ipo: "IPO", kto: "KTO" };

/** Table 2; nothing where no other loss was run. */
export const lossSection = ({ losses, methods, size }: Document): Part | undefined => {
  if (losses.length === 0) return undefined;
  const line = ({ loss, method, places, minusAdamW }: LossRow): string => {
    const reached = places.flatMap((place) => (place ? [place.test] : []));
    const skill = reached.length === places.length ? percent(mean(reached)) : "–";
    const cells = [NAMES[loss] ?? loss, methods[method].label, skill, method === "adamw" ? "" : points(minusAdamW)];
    return `<tr>${cells.map((cell) => `<td>${escaped(cell)}</td>`).join("")}</tr>`;
  };
  const style = percent(MAIN_STYLE, 0);
  return {
    id: "losses",
    title: "Table 2: other losses",
    body: `<p class="soft">The ${escaped(size.analyses.world)} world, β 0.1: skill where the path over the learning rates crosses a style rate of ${style} %;
DPO from Table 1, the others at learning rates ${size.analyses.lossRates.map(rate).join(", ")}.</p>
<div class="scroll"><table class="named" data-table="losses"><thead><tr><th>loss</th><th>method</th><th>skill at ${style} %</th><th>− AdamW</th></tr></thead>
<tbody>${losses.map(line).join("")}</tbody></table></div>`,
  };
};
