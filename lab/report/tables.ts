import { mean } from "../analysis/interval.js";
import { MAIN_STYLE, STYLES, type TableRow } from "../analysis/table.js";
import { KINDS, SKILLS } from "../world/skills.js";
import type { Document, WorldResults } from "./document.js";
import { fixed, percent, points, rate, signed } from "./numbers.js";
import { escaped } from "./svg.js";

/** A table's head. */
export const head = (cells: readonly string[]): string =>
  `<thead><tr>${cells.map((cell) => `<th>${cell}</th>`).join("")}</tr></thead>`;
/** A line of a table. */
export const row = (cells: readonly string[]): string => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;

/** Table 1 of a world. */
export const tableOf = (document: Document, world: string, { sft, table }: WorldResults): string => {
  const line = ({ method, rate: x, selected, selectedMinusAdamW, minusAdamW, places }: TableRow): string => {
    const reached = places.flatMap((place) => (place ? [place.test] : []));
    return row([
      escaped(document.methods[method].label),
      rate(x),
      percent(selected.average),
      signed(100 * (selected.average - sft.average)),
      method === "adamw" ? "" : points(selectedMinusAdamW),
      percent(selected.style, 0),
      selected.length.toFixed(1),
      signed(selected.margin),
      fixed(selected.kl, 2),
      reached.length === places.length ? percent(mean(reached)) : "–",
      method === "adamw" ? "" : points(minusAdamW),
    ]);
  };
  const before = [
    "SFT",
    "",
    percent(sft.average),
    "",
    "",
    percent(sft.style, 0),
    sft.length.toFixed(1),
    "",
    "",
    "",
    "",
  ];
  const style = percent(MAIN_STYLE, 0);
  return `<h3>Table 1, ${escaped(world)} world</h3>
<p class="soft">Left: the learning rate that validation selects (most skill with a style rate of ${style} % or more). Right: skill
where the path over the grid, which starts at the SFT model, crosses ${style} %. Only the right half compares at equal style; – is out of reach for a seed.</p>
<div class="scroll"><table data-table="${escaped(world)}">${head(["", "lr", "skill", "tax", "− AdamW", "style", "length", "margin", "KL/token", `skill at ${style} %`, "− AdamW"])}
<tbody>${row(before)}${table.map(line).join("")}</tbody></table></div>`;
};

/** Differences to AdamW at several style rates. */
export const frontierTable = (document: Document, world: string, { frontiers: all }: WorldResults): string => {
  const line = (method: string): string =>
    row([
      escaped(document.methods[method].label),
      ...STYLES.map((style) => points(all.find((p) => p.method === method && p.style === style)?.minusAdamW)),
    ]);
  const names = Object.keys(document.methods).filter((name) => name !== "adamw");
  return `<h3>Skill minus AdamW's at equal style, ${escaped(world)} world</h3>
<p class="soft">In points, by style rate; – where a path does not cross the rate under every seed.</p>
<div class="scroll"><table>${head(["", ...STYLES.map((style) => `${percent(style, 0)} %`)])}<tbody>${names.map(line).join("")}</tbody></table></div>`;
};

/** A change of a share, in points and coloured; a third of the scale is as deep as the colour gets. */
export const change = (x: number): string =>
  `<td class="${x > 0 ? "up" : "down"}" style="--depth:${Math.min(60, Math.round(180 * Math.abs(x)) || 0)}%">${signed(100 * x, 0)}</td>`;

/** What the selected settings change, skill by skill. */
export const skillTable = (document: Document, world: string, { sft, table }: WorldResults): string => {
  const lines = table.map(
    ({ method, selected }) =>
      `<tr><td>${escaped(document.methods[method].label)}</td>${KINDS.map((kind) => change(selected.right[kind] - sft.right[kind])).join("")}</tr>`,
  );
  return `<h3>Skill by skill, ${escaped(world)} world</h3>
<p class="soft">The selected setting's change against the SFT model, in points. Preferences speak of ${SKILLS.slice(0, 2).join(", ")} and small talk
(hey) only; the others are bystanders.</p>
<div class="scroll"><table>${head(["", ...KINDS])}<tbody>${row(["SFT, %", ...KINDS.map((kind) => percent(sft.right[kind], 0))])}${lines.join("")}</tbody></table></div>`;
};
