import { halfway } from "../analysis/halfway.js";
import { mean } from "../analysis/interval.js";
import { placesOf } from "../analysis/paths.js";
import { COLLAPSE } from "../analysis/questions.js";
import { type Found, linesOf, select } from "../analysis/results.js";
import { type Section, SMALL_P } from "../plan.js";
import type { Document } from "./document.js";
import { percent } from "./numbers.js";
import type { Part } from "./part.js";
import { type Axis, acrossSeeds, chart, decades, type Series, shares, short } from "./svg.js";

interface Analysis {
  readonly section: Section;
  readonly title: string;
  readonly about: string;
  readonly axis: string;
  /** Where a run is drawn: at A for an α. */
  readonly place: (run: Found) => number;
  readonly mark?: { readonly x: number; readonly label: string };
  /** What its runs come to, in a sentence. */
  readonly sum?: (runs: readonly Found[], steps: number) => string;
}

const itself = ({ x }: Found): number => x;

/** Of a line, by the method that it begins with; all others are AdamW's. */
const COLORS: Readonly<Record<string, number>> = {
  ...{ ondare_official: 1, onties_official: 2 },
  ...{ meet_mean: 1, meet_election: 2 },
};

/** "ondare_official α fixed" → "OnDARE α fixed". */
const named = (line: string): string =>
  line
    .replace("ondare_official", "OnDARE")
    .replace("onties_official", "OnTIES")
    .replace("adamw", "AdamW")
    .replace("meet_", "")
    .trim();

/** Where each line has lost half of its skill, in A and in Tα. */
const halves = (runs: readonly Found[], steps: number): string => {
  const found = linesOf(runs).flatMap((line) => {
    const own = runs.filter((run) => run.line === line);
    const path = placesOf(own).map((x) => {
      const here = own.filter((run) => run.x === x);
      return { x, y: mean(here.map(({ measures }) => measures.test.average)) };
    });
    const alpha = halfway(path);
    const { x, drift = 0 } = own[0];
    return alpha === undefined
      ? []
      : [`${named(line)} at A = ${short((alpha * drift) / x)} (Tα = ${short(alpha * steps)})`];
  });
  return found.length === 0 ? "" : `Half of the skill is gone for ${found.join(", for ")}.`;
};

const ANALYSES: readonly Analysis[] = [
  {
    section: "p",
    title: "Reserve rate p",
    about:
      "What is kept of update and τ. OnDARE divides by p, so with α fixed its drift A = Tα/p grows to hundreds of τ on the few elements that are kept; with A fixed, α shrinks with p. Where the two agree, it is sparsity that costs, not drift. OnTIES does not divide; its learning rate may grow as p^−½ instead.",
    axis: "p",
    place: itself,
  },
  {
    section: "alpha",
    title: "Merging weight α",
    about: `Drawn against A, the total drift in units of τ on the elements that drift: Tα/p for OnDARE, Tα for OnTIES. OnDARE also at p ${SMALL_P}, where few elements drift far: if A alone decided, its two lines would be one.`,
    axis: "A",
    place: ({ x, drift = x }) => drift,
    mark: { x: COLLAPSE, label: `A = ${COLLAPSE}` },
    sum: halves,
  },
  {
    section: "gap",
    title: "Gap K",
    about: "Merge at every K-th step: with α fixed, and with Tα/K fixed, so that the drift does not shrink with K.",
    axis: "K",
    place: itself,
  },
  {
    section: "meet",
    title: "Workers that meet every K steps",
    about:
      "Four workers share each batch and become one at every K-th step, by the mean of their updates or by an election of signs, τ merged in with its drift held; dashed with outer momentum ½ at rate ½. AdamW adds up gradients at every step instead.",
    axis: "K",
    place: itself,
  },
  {
    section: "beta",
    title: "KL penalty β",
    about:
      "DPO's β under AdamW and the online merges. At one learning rate, at which OnTIES also learns less style: look at both drawings.",
    axis: "β",
    place: itself,
  },
];

const seriesOf = (runs: readonly Found[], analysis: Analysis, of: (run: Found) => number): Series[] =>
  linesOf(runs).map((line, i, lines) => {
    const own = runs.filter((run) => run.line === line);
    const method = line.split(" ")[0];
    return {
      label: named(line),
      color: COLORS[method] ?? 0,
      dashed: lines.findIndex((other) => other.startsWith(method)) < i, // a method's second line
      points: placesOf(own).map((x) => {
        const here = own.filter((run) => run.x === x);
        const [seeds, at] = [acrossSeeds(here.map(of)), analysis.place(here[0])];
        return { x: at, ...seeds, title: `${named(line)}, ${analysis.axis} ${short(at)}: ${percent(seeds.y)} %` };
      }),
    };
  });

/** From a tenth below what is drawn up to 100 %. */
const shareAxis = (series: readonly Series[]): Axis => {
  const drawn = series.flatMap(({ points }) => points.flatMap(({ y, low = y }) => [y, low])).filter(Number.isFinite);
  return shares("(%)", Math.min(0.8, Math.floor(10 * Math.min(...drawn)) / 10), 1);
};

const drawn = (analysis: Analysis, document: Document): string => {
  const runs = select(document.runs, { section: analysis.section, world: document.size.analyses.world });
  if (runs.length === 0) return "";
  const places = runs.map(analysis.place);
  const [low, high] = [Math.min(...places) / 1.3, Math.max(...places) * 1.3];
  const x: Axis = { label: analysis.axis, from: low, to: high, ticks: decades(low, high), log: true };
  // What the lines are to be held against, from one end of the drawing to the other.
  const { world, learningRate } = document.size.analyses;
  const level = (label: string, color: number, there: readonly Found[], of: (run: Found) => number): Series[] =>
    there.length === 0
      ? []
      : [
          {
            label,
            color,
            dashed: true,
            only: "line",
            points: [low, high].map((at) => ({ x: at, y: mean(there.map(of)) })),
          },
        ];
  const adamw = select(document.runs, { section: "methods", world, line: "adamw", x: learningRate });
  const sft = select(document.runs, { section: "sft", world });
  const marks = analysis.mark !== undefined && analysis.mark.x > low && analysis.mark.x < high ? [analysis.mark] : [];
  const sum = analysis.sum?.(runs, document.size.alignment.steps) ?? "";
  const said = sum === "" ? "" : ` <b>${sum}</b>`;
  const panel = (title: string, of: (run: Found) => number, levels: readonly Series[]) => {
    const series = [...levels, ...seriesOf(runs, analysis, of)];
    return chart({ title, x, y: shareAxis(series), marks, series });
  };
  const [style, skill] = (["style", "average"] as const).map(
    (key) =>
      ({ measures }: Found) =>
        measures.test[key],
  );
  const plain = (of: (run: Found) => number) =>
    runs.some(({ line }) => line === "adamw") ? [] : level("AdamW", 0, adamw, of);
  return `<h3>${analysis.title}</h3><p class="soft">${analysis.about}${said}</p><div class="charts wide">
${panel("Style", style, plain(style))}${panel("Skill", skill, [...plain(skill), ...level("SFT", 6, sft, skill)])}</div>`;
};

/** The analyses, at one learning rate in one world; nothing where they were not run. */
export const analysisSection = (document: Document): Part | undefined => {
  const parts = ANALYSES.map((analysis) => drawn(analysis, document)).join("");
  if (parts === "") return undefined;
  const { world, learningRate } = document.size.analyses;
  return {
    id: "analyses",
    title: "Analyses",
    body: `<p class="soft">The ${world} world at learning rate ${short(learningRate)}, presets official, mean over seeds; bars reach from the lowest to the highest.</p>${parts}`,
  };
};
