import { mean } from "../analysis/interval.js";
import { percent, points, rate, signed } from "../report/numbers.js";
import { pageOf } from "../report/page.js";
import type { Part } from "../report/part.js";
import { DEEPEST, forestOf, landscape, panelsOf } from "../report/paths.js";
import { judgedCell } from "../report/rivals.js";
import { escaped } from "../report/svg.js";
import { change, head, row } from "../report/tables.js";
import type { MethodRow } from "./comparison.js";
import type { ComparisonDocument, Counts } from "./document.js";
import { differencesOf, fieldOf, named, ratesIn, told } from "./drawn.js";
import { counted, isPairStyle } from "./measured.js";

const TITLE = "What an alignment costs";

const countedRows = ({ validation, test }: Counts): string => `${validation} + ${test}`;

const intro = (document: ComparisonDocument): string => {
  const { train, skill, style, seeds, asked, methods } = document;
  const what = isPairStyle(style) ? `on ${countedRows(asked.pairs as Counts)} held-out pairs` : "of that task";
  const tasks = Object.entries(asked.tasks).map(([name, counts]) => `${escaped(name)} ${countedRows(counts)}`);
  const few = seeds.length === 1 ? " With one seed there are no intervals, and no verdict." : "";
  return `<h1>${TITLE}</h1>
<p>${Object.keys(methods).length} methods of ${escaped(train)}, each at learning rates ${ratesIn(document)}. Skill is the mean score of ${named(skill)};
style is <code>${escaped(style)}</code> ${what}.</p>
<p class="soft">Seeds ${seeds.join(", ")}.${few} Rows, validation + test: ${tasks.join(", ")}. Learning rates, levels and places on the frontier are chosen by
validation rows; every number shown is of test rows, at the same place. ± are 95 % intervals of Student's t over seeds, paired by seed: of training anew, not
of other test rows. Everything here follows from <code>results.json</code>.</p>`;
};

const overview = (document: ComparisonDocument): string => `<div class="charts wide">
${landscape(`Skill against ${document.style}`, fieldOf(document))}</div>
<p class="soft">Every dot is a method at one learning rate, mean over seeds. Ochre: the model where all start. Grey: <code>${escaped(document.reference)}</code>, whom the others are
held against: who is above its line keeps more skill at equal style. A line that is pointed at says its name.</p>`;

/** The frontier: differences at equal style. */
const frontierPart = (document: ComparisonDocument): Part => {
  const { levels, frontiers, methods, reference } = document;
  const main = levels.at(-1);
  const line = (method: string): string =>
    row([
      escaped(method),
      ...levels.map((level) => points(frontiers.find((one) => one.method === method && one.level === level)?.minus)),
    ]);
  const others = Object.keys(methods).filter((name) => name !== reference);
  const shown =
    main === undefined
      ? `<p><b>${escaped(reference)} gains no style over the model where all start</b>, at any learning rate, so that there is no level to compare at.</p>`
      : `${forestOf(`Skill at ${document.style} ${told(document, main)} minus ${reference}'s (points)`, differencesOf(document), reference)}
<p class="soft">In points, by level of <code>${escaped(document.style)}</code>; – where a path does not cross the level under every seed.</p>
<div class="scroll"><table data-table="frontiers">${head(["", ...levels.map((level) => told(document, level))])}<tbody>${others.map(line).join("")}</tbody></table></div>`;
  return {
    id: "frontier",
    title: "At equal style",
    body: `<p class="soft">A method's settings in order of learning rate are a path, which begins at the model where all start; where it crosses a level, skill is
interpolated.</p>${shown}
<h3>Method by method</h3><p class="soft">Bars reach from the lowest to the highest seed. What lies ${percent(DEEPEST, 0)} points below the start is cut off.</p>
${panelsOf(fieldOf(document))}`,
  };
};

/** The table of methods. */
const tablePart = (document: ComparisonDocument): Part => {
  const { rows, reference, levels, start } = document;
  const main = levels.at(-1);
  const before = counted(start.test, document);
  const line = ({ method, selected, selectedMinus, places, minus, verdict }: MethodRow): string => {
    const reached = places.flatMap((place) => (place ? [place.test] : []));
    const own =
      selected === undefined
        ? ["–", "–", "–", "–", "–"]
        : [
            rate(selected.rate),
            percent(selected.average),
            signed(100 * (selected.average - before.average)),
            method === reference ? "" : points(selectedMinus),
            told(document, selected.style),
          ];
    const cells = [escaped(method), ...own, reached.length === places.length ? percent(mean(reached)) : "–"];
    const judged = method === reference ? "<td></td>" : judgedCell({ interval: minus, verdict });
    return `<tr data-method="${escaped(method)}">${cells.map((cell) => `<td>${cell}</td>`).join("")}${judged}</tr>`;
  };
  const at = main === undefined ? "no level" : told(document, main);
  const minus = `− ${escaped(reference)}`;
  return {
    id: "table",
    title: "The table",
    body: `<p class="soft">Left: the learning rate that validation selects (most skill with a style of ${at} or more; where none has it, most style). Right: skill where the
path crosses ${at}. Only the right half compares at equal style.</p>
<div class="scroll"><table data-table="methods">${head(["", "lr", "skill", "tax", minus, escaped(document.style), `skill at ${at}`, minus])}
<tbody>${row(["start", "", percent(before.average), "", "", told(document, before.style), "", ""])}${rows.map(line).join("")}</tbody></table></div>`,
  };
};

/** What the selected settings change, task by task. */
const tasksPart = ({ rows, start }: ComparisonDocument): Part => {
  const names = Object.keys(start.test.tasks);
  const lines = rows.flatMap(({ method, selected }) =>
    selected === undefined
      ? []
      : [
          `<tr><td>${escaped(method)}</td>${names.map((name) => change(selected.test.tasks[name] - start.test.tasks[name])).join("")}</tr>`,
        ],
  );
  return {
    id: "tasks",
    title: "Task by task",
    body: `<p class="soft">The selected setting's change against the model where all start, test rows, in points.</p>
<div class="scroll"><table data-table="tasks">${head(["", ...names.map(escaped)])}<tbody>${row(["start, %", ...names.map((name) => percent(start.test.tasks[name]))])}${lines.join("")}</tbody></table></div>`,
  };
};

/** Cells without numbers, with why. */
const missingPart = ({ cells }: ComparisonDocument): Part | undefined => {
  const missing = cells.flatMap((cell) => (cell.reason === undefined ? [] : [cell]));
  if (missing.length === 0) return undefined;
  const lines = missing.map(({ method, rate: x, seed, reason }) =>
    row([escaped(method), rate(x), String(seed), `not run: ${escaped(reason)}`]),
  );
  return {
    id: "missing",
    title: "Not run",
    body: `<p class="soft">These have no numbers; the others' stand. A seed that lacks a run has a shorter path.</p>
<div class="scroll"><table class="words" data-table="missing">${head(["method", "lr", "seed", "why"])}<tbody>${lines.join("")}</tbody></table></div>`,
  };
};

const settingsPart = ({ methods, settings, version }: ComparisonDocument): Part => ({
  id: "settings",
  title: "Settings",
  body: `<div class="scroll"><table class="words">${head(["method", "keys"])}<tbody>${Object.entries(methods)
    .map(([name, about]) => row([escaped(name), escaped(about)]))
    .join("")}</tbody></table></div>
<details><summary>The file</summary><pre>${escaped(JSON.stringify(settings, undefined, 1))}</pre></details>
<p class="soft">Made by <code>taugrad compare</code> ${escaped(version)}.</p>`,
});

/** The report: one file, no network, no script. A function of what results.json holds. */
export const comparisonReport = (document: ComparisonDocument): string => {
  const parts = [
    frontierPart(document),
    tablePart(document),
    tasksPart(document),
    missingPart(document),
    settingsPart(document),
  ].filter((part) => part !== undefined);
  return pageOf(TITLE, "taugrad compare", parts, intro(document), overview(document));
};
