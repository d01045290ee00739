import { mean } from "../analysis/interval.js";
import { type Found, placesOf, select } from "../analysis/results.js";
import { MAIN_STYLE, STYLES, type TableRow } from "../analysis/table.js";
import type { Family, Method } from "../methods.js";
import { KINDS, SKILLS } from "../world/skills.js";
import type { Document, WorldResults } from "./document.js";
import { fixed, percent, points, rate, signed } from "./numbers.js";
import { type Axis, chart, escaped, forest, type Series } from "./svg.js";

const COLOR: Readonly<Record<Family, number>> = {
  plain: 0,
  regularizer: 1,
  "offline merge": 4,
  "online merge": 2,
  control: 3,
};

const shares = (label: string, from: number, to: number): Axis => {
  const step = to - from > 0.5 ? 0.2 : 0.1;
  const count = Math.round((to - from) / step);
  const ticks = Array.from({ length: count + 1 }, (_, i) => from + i * step);
  return { label, from, to, ticks, tickText: (x) => percent(x, 0) };
};

/** A method's path over the grid: style against skill, test, mean over seeds. */
const pathOf = (runs: readonly Found[], label: string, color: number, dashed = false): Series => ({
  label,
  color,
  dashed,
  points: placesOf(runs).map((x) => {
    const here = runs.filter((run) => run.x === x).map(({ measures }) => measures.test);
    const [style, average] = [mean(here.map((s) => s.style)), mean(here.map((s) => s.average))];
    const title = `${label} at ${rate(x)}: style ${percent(style)} %, skill ${percent(average)} %`;
    return { x: style, y: average, title };
  }),
});

/** A tenth above and below all skills. */
const skillAxis = (paths: readonly Series[]): Axis => {
  const all = paths.flatMap(({ points: drawn }) => drawn.map(({ y }) => y));
  const low = Math.max(0, Math.floor(10 * Math.min(...all) - 0.2) / 10);
  return shares("", low, Math.min(1, Math.max(low + 0.2, Math.ceil(10 * Math.max(...all) + 0.2) / 10)));
};

const frontiers = (document: Document, world: string): string => {
  const of = (line: string) => select(document.runs, { section: "methods", world, line });
  const sft = pathOf(select(document.runs, { section: "sft", world }), "SFT", 6);
  const adamw = pathOf(of("adamw"), "AdamW", 0, true);
  const methods = Object.entries(document.methods).filter(([name]) => name !== "adamw");
  const paths = methods.map(([name, { label, family }]) => pathOf(of(name), label, COLOR[family]));
  const y = skillAxis([sft, adamw, ...paths]);
  const panels = paths.map((path) =>
    chart({
      title: path.label,
      x: shares("style rate (%)", 0, 1),
      y,
      series: [adamw, { ...sft, dotsOnly: true }, path],
      width: 280,
      height: 210,
      legend: false,
    }),
  );
  return `<h3>Skill against style, ${escaped(world)} world</h3>
<p class="soft">Each dot is a learning rate, mean over seeds; up and right is better. Grey and dashed: AdamW. Ochre: the SFT model,
where all start. A method is worth something where its line is above AdamW's, not where one dot is.</p>
<div class="charts small">${panels.join("")}</div>`;
};

const labelOf = (methods: Readonly<Record<string, Method>>, name: string): string => methods[name]?.label ?? name;

const forestOf = (document: Document, world: string, { table }: WorldResults): string => {
  const rows = table
    .filter(({ method }) => method !== "adamw")
    .map(({ method, minusAdamW, places }) => {
      const reached = places.filter((place) => place !== undefined).length;
      const missing = reached === places.length ? "AdamW not there" : `in ${reached} of ${places.length} seeds`;
      return {
        label: labelOf(document.methods, method),
        color: COLOR[document.methods[method].family],
        interval: minusAdamW,
        note: minusAdamW === undefined ? missing : points(minusAdamW),
      };
    });
  const title = `Skill at style ${percent(MAIN_STYLE, 0)} % minus AdamW's, ${world} world (points)`;
  return forest(title, rows, 0.1, (x) => signed(100 * x, 0));
};

const head = (cells: readonly string[]): string =>
  `<thead><tr>${cells.map((cell) => `<th>${cell}</th>`).join("")}</tr></thead>`;
const row = (cells: readonly string[]): string => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;

const tableOf = (document: Document, world: string, { sft, table }: WorldResults): string => {
  const line = ({ method, rate: x, selected, selectedMinusAdamW, minusAdamW, places }: TableRow): string => {
    const reached = places.flatMap((place) => (place === undefined ? [] : [place.test]));
    return row([
      escaped(labelOf(document.methods, method)),
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
where the path over the grid crosses ${style} %. Only the right half compares at equal style; – is out of reach for a seed.</p>
<div class="scroll"><table data-table="${escaped(world)}">${head(["", "lr", "skill", "tax", "− AdamW", "style", "length", "margin", "KL/token", `skill at ${style} %`, "− AdamW"])}
<tbody>${row(before)}${table.map(line).join("")}</tbody></table></div>`;
};

const frontierTable = (document: Document, world: string, { frontiers: all }: WorldResults): string => {
  const line = (method: string): string =>
    row([
      escaped(labelOf(document.methods, method)),
      ...STYLES.map((style) => points(all.find((p) => p.method === method && p.style === style)?.minusAdamW)),
    ]);
  const names = Object.keys(document.methods).filter((name) => name !== "adamw");
  return `<h3>Skill minus AdamW's at equal style, ${escaped(world)} world</h3>
<p class="soft">In points, by style rate; – where a path does not cross the rate under every seed.</p>
<div class="scroll"><table>${head(["", ...STYLES.map((style) => `${percent(style, 0)} %`)])}<tbody>${names.map(line).join("")}</tbody></table></div>`;
};

const skillTable = (document: Document, world: string, { sft, table }: WorldResults): string => {
  const change = (x: number): string =>
    `<td class="${x > 0.02 ? "up" : x < -0.02 ? "down" : ""}">${signed(100 * x, 0)}</td>`;
  const lines = table.map(
    ({ method, selected }) =>
      `<tr><td>${escaped(labelOf(document.methods, method))}</td>${KINDS.map((kind) => change(selected.right[kind] - sft.right[kind])).join("")}</tr>`,
  );
  return `<h3>Skill by skill, ${escaped(world)} world</h3>
<p class="soft">The selected setting's change against the SFT model, in points. Preferences speak of ${SKILLS.slice(0, 2).join(", ")} and small talk
(hey) only; the others are bystanders.</p>
<div class="scroll"><table>${head(["", ...KINDS])}<tbody>${row(["SFT, %", ...KINDS.map((kind) => percent(sft.right[kind], 0))])}${lines.join("")}</tbody></table></div>`;
};

/** All that a world's Table 1 runs show. */
export const worldSection = (document: Document, world: string): string => {
  const results = document.worlds[world];
  return `<h2>The ${escaped(world)} world</h2>
<p class="soft">rms τ is ${percent(results.relativeDelta)} % of rms θ; the SFT model has ${percent(results.sft.average)} % skill and ${percent(results.sft.style)} % style.</p>
${forestOf(document, world, results)}
${frontiers(document, world)}
${frontierTable(document, world, results)}
${tableOf(document, world, results)}
${skillTable(document, world, results)}`;
};
