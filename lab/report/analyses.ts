import { mean } from "../analysis/interval.js";
import { type Found, linesOf, placesOf, select } from "../analysis/results.js";
import type { Section } from "../plan.js";
import type { Document } from "./document.js";
import { percent } from "./numbers.js";
import { type Axis, chart, decades, type Series, short } from "./svg.js";

interface Analysis {
  readonly section: Section;
  readonly title: string;
  readonly about: string;
  readonly axis: string;
  /** What is drawn for an x of a line: A for an α. */
  readonly place: (x: number, document: Document, line: string) => number;
  readonly mark?: { readonly x: number; readonly label: string };
}

const itself = (x: number): number => x;
/** A: Tα/p for OnDARE's rescaled fixed mask, Tα for OnTIES, which does not rescale. */
const driftNumber = (alpha: number, { size, methods }: Document, line: string): number => {
  const method = methods[line];
  const p = "training" in method && line.startsWith("ondare") ? method.training.optimizer.reserveP : 1;
  return (size.alignment.steps * alpha) / (p ?? 1);
};

const ANALYSES: readonly Analysis[] = [
  {
    section: "p",
    title: "Reserve rate p",
    about:
      "What is kept of update and τ, with the learning rate fixed; for OnTIES, which does not rescale, also growing as p^−½.",
    axis: "p",
    place: itself,
  },
  {
    section: "alpha",
    title: "Merging weight α",
    about: "Drawn against A, the total drift in units of τ on the elements that drift: Tα/p for OnDARE, Tα for OnTIES.",
    axis: "A",
    place: driftNumber,
    mark: { x: 10, label: "A = 10" },
  },
  {
    section: "gap",
    title: "Gap K",
    about: "Merge at every K-th step: with α fixed, and with Tα/K fixed, so that the drift does not shrink with K.",
    axis: "K",
    place: itself,
  },
  {
    section: "beta",
    title: "KL penalty β",
    about: "DPO's β under AdamW and the online merges.",
    axis: "β",
    place: itself,
  },
];

/** "ondare_official lr fixed" → "OnDARE lr fixed". */
const named = (line: string): string =>
  line.replace("ondare_official", "OnDARE").replace("onties_official", "OnTIES").replace("adamw", "AdamW").trim();

const seriesOf = (
  runs: readonly Found[],
  analysis: Analysis,
  of: (run: Found) => number,
  document: Document,
): Series[] =>
  linesOf(runs).map((line) => {
    const own = runs.filter((run) => run.line === line);
    const isSecond = /p\^|Tα/.test(line);
    return {
      label: named(line),
      color: line.startsWith("ondare") ? 1 : line.startsWith("onties") ? 2 : 0,
      dashed: isSecond,
      points: placesOf(own).map((x) => {
        const y = mean(own.filter((run) => run.x === x).map(of));
        const at = analysis.place(x, document, line);
        return { x: at, y, title: `${named(line)}, ${analysis.axis} ${short(at)}: ${percent(y)} %` };
      }),
    };
  });

const shareAxis: Axis = {
  label: "(%)",
  from: 0,
  to: 1,
  ticks: [0, 0.2, 0.4, 0.6, 0.8, 1],
  tickText: (x) => percent(x, 0),
};

const drawn = (analysis: Analysis, document: Document): string => {
  const runs = select(document.runs, { section: analysis.section, world: document.size.analyses.world });
  if (runs.length === 0) return "";
  const places = runs.map((run) => analysis.place(run.x, document, run.line));
  const [low, high] = [Math.min(...places) / 1.3, Math.max(...places) * 1.3];
  const x: Axis = { label: analysis.axis, from: low, to: high, ticks: decades(low, high), log: true };
  const marks = analysis.mark !== undefined && analysis.mark.x > low && analysis.mark.x < high ? [analysis.mark] : [];
  const panel = (title: string, of: (run: Found) => number) =>
    chart({ title, x, y: shareAxis, marks, series: seriesOf(runs, analysis, of, document) });
  return `<h3>${analysis.title}</h3><p class="soft">${analysis.about}</p><div class="charts">
${panel("Style", ({ measures }) => measures.test.style)}${panel("Skill", ({ measures }) => measures.test.average)}</div>`;
};

/** The four analyses, at one learning rate in one world; nothing where they were not run. */
export const analysisSection = (document: Document): string => {
  const parts = ANALYSES.map((analysis) => drawn(analysis, document)).join("");
  if (parts === "") return "";
  const { world, learningRate } = document.size.analyses;
  return `<h2>Analyses</h2>
<p class="soft">The ${world} world at learning rate ${short(learningRate)}, presets official, mean over seeds.</p>${parts}`;
};
