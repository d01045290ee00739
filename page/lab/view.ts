/** The lab's view: its state, drawn; and what a visitor does, told to the worker. */
import { atNextPicture, byId, el } from "../ui/element.js";
import { duration, milliseconds, percent, short } from "../ui/numbers.js";
import { drawPlane, type Path } from "../ui/plane.js";
import { slider } from "../ui/slider.js";
import type { Command, Point, RunName } from "./messages.js";
import { BRANCH_NAMES, BRANCHES, type BranchName, KNOBS, type KnobName, type Knobs } from "./settings.js";
import type { Known, LabState } from "./state.js";
import { drawAnswers, drawSkills } from "./tables.js";

type Tell = (command: Command) => void;

const place = (label: string, { step, score }: Point) => ({
  x: score.style,
  y: score.average,
  title: `${label}, step ${step}: ${percent(score.average)} right, ${percent(score.style)} in the style`,
});

/** Tuning begins where the base model ends, which is drawn while it is trained. */
const pathsOf = ({ runs, ghosts }: LabState): Path[] => {
  const until = [...(runs.base?.points ?? []).slice(runs.sft === undefined ? 0 : -1), ...(runs.sft?.points ?? [])];
  const start = runs.sft?.points.at(-1);
  const from = start === undefined ? [] : [place("tuned", start)];
  const isTuned = runs.sft !== undefined && runs.sft.step === runs.sft.steps;
  return [
    {
      label: isTuned ? "tuned" : runs.sft === undefined ? "base" : "being tuned",
      ...{ tone: "sft", places: until.map((point) => place("before", point)) },
    },
    ...BRANCH_NAMES.flatMap((name): Path[] => {
      const { title } = BRANCHES[name];
      const path = (points: readonly Point[]) => [...from, ...points.map((point) => place(title, point))];
      return [
        ...(ghosts[name] ?? []).map((points) => ({ label: title, tone: name, places: path(points), isGhost: true })),
        { label: title, tone: name, places: runs[name] && runs[name].points.length > 0 ? path(runs[name].points) : [] },
      ];
    }),
  ];
};

const STAGES: readonly { readonly runs: readonly RunName[]; readonly title: string; readonly about: string }[] = [
  { runs: ["base"], title: "Base", about: "from nothing, on lines of text" },
  { runs: ["sft"], title: "Tuned", about: "to answer requests" },
  { runs: BRANCH_NAMES, title: "Aligned", about: "to a style, three ways" },
];

/** A run that came with the page took its steps elsewhere. */
const shareOf = (runs: readonly (Known | undefined)[]): number =>
  runs.reduce((sum, run) => sum + (run === undefined ? 0 : run.step / run.steps), 0) / runs.length;

const drawStages = (into: HTMLElement, { runs }: LabState): void => {
  into.replaceChildren(
    ...STAGES.map(({ runs: names, title, about }, i) => {
      const known = names.map((name) => runs[name]);
      const share = shareOf(known);
      const of = known.find((run) => run !== undefined);
      const isNow = share < 1 && of !== undefined;
      const text = of === undefined ? "to come" : share === 1 ? `${of.steps} steps` : `${Math.round(100 * share)} %`;
      const bar = el("progress", { max: 1, value: share, "aria-label": `${title}: done` });
      return el(
        "li",
        { class: isNow ? "now" : share === 1 ? "done" : "", "aria-current": isNow ? "step" : undefined },
        el("b", {}, `${i + 1} ${title}`),
        el("span", {}, about),
        bar,
        el("small", {}, text),
      );
    }),
  );
};

/** What is left of the steps, by what they take. */
const secondsLeft = (runs: readonly (Known | undefined)[]): number | undefined => {
  const left = runs.map((run) => (run?.milliseconds === undefined ? 0 : (run.steps - run.step) * run.milliseconds));
  const total = left.reduce((sum, time) => sum + time, 0) / 1000;
  return total > 0 ? total : undefined;
};

const statusOf = ({ runs, rest, problem, device }: LabState): string => {
  if (problem !== undefined) return problem;
  if (device === undefined) return "Starting …";
  if (rest === "paused") return "Paused.";
  if (rest === "done") return "Aligned. Turn a knob to try another.";
  const stage = STAGES.find(({ runs: names }) => shareOf(names.map((name) => runs[name])) < 1);
  if (stage === undefined) return "";
  const left = secondsLeft(stage.runs.map((name) => runs[name]));
  const what = { Base: "Learning the skills", Tuned: "Learning to answer", Aligned: "Aligning" }[stage.title];
  return left === undefined ? `${what} …` : `${what}: about ${duration(left)} left.`;
};

const engineOf = ({ device, runs }: LabState): string => {
  if (device === undefined) return "";
  const steps = BRANCH_NAMES.flatMap((name) => runs[name]?.milliseconds ?? []);
  const [now] = steps.length > 0 ? [steps] : [[runs.sft?.milliseconds ?? runs.base?.milliseconds ?? 0]];
  const step = now.reduce((sum, time) => sum + time, 0) / now.length;
  return `${device.description}${step > 0 ? `, ${milliseconds(step)} a step` : ""}`;
};
const keepsOf = ({ device }: LabState): string =>
  device === undefined
    ? ""
    : device.keeps
      ? "Close the tab and open it again: it goes on where it was."
      : "This tab keeps nothing: another one has the lab open, or the browser forbids it.";

/** One alignment's card: numbers that change, sliders that stay. */
const card = (name: BranchName, tell: Tell, knobsOf: () => Knobs) => {
  const { title, about, knobs: usual } = BRANCHES[name];
  const numbers = el("dl", { class: "numbers" });
  const sliders = el("fieldset", { class: "sliders", "aria-label": `Knobs of ${title}` });
  let drawn = "";
  const drawSliders = (): void => {
    const knobs = knobsOf();
    const key = JSON.stringify(knobs);
    if (key === drawn) return;
    const focused = sliders.contains(document.activeElement) ? document.activeElement?.id : undefined;
    drawn = key;
    sliders.replaceChildren(
      ...(Object.keys(usual) as KnobName[]).map((knob) =>
        slider({
          ...KNOBS[knob],
          ...{ id: `${name}-${knob}`, value: knobs[knob] as number, textOf: short },
          onChange: (value) => tell({ kind: "branch", name, knobs: { ...knobsOf(), [knob]: value } }),
        }),
      ),
    );
    if (focused !== undefined) byId(focused).focus();
  };
  const element = el(
    "section",
    { class: `card branch ${name}`, "aria-labelledby": `${name}-title` },
    el("h2", { id: `${name}-title` }, title, el("small", {}, ` ${about}`)),
    numbers,
    sliders,
  );
  const draw = (state: LabState): void => {
    const run = state.runs[name];
    const score = run?.points.at(-1)?.score;
    const before = state.runs.sft?.points.at(-1)?.score;
    const tax = score && before && Math.round(100 * (score.average - before.average));
    const entry = (term: string, value: string): HTMLElement => el("div", {}, el("dt", {}, term), el("dd", {}, value));
    numbers.replaceChildren(
      entry("skill", score ? percent(score.average) : "–"),
      entry("tax", tax === undefined ? "–" : `${tax > 0 ? "+" : tax < 0 ? "−" : ""}${Math.abs(tax)}`),
      entry("style", score ? percent(score.style) : "–"),
      entry("step", run ? `${run.step} of ${run.steps}` : "–"),
      entry("a step", run?.milliseconds === undefined ? "–" : milliseconds(run.milliseconds)),
    );
    drawSliders();
  };
  return { element, draw };
};

/** Builds the view. The function that it gives draws a state at the next picture. */
export const openLabView = (tell: Tell, hasStart: boolean): ((state: LabState) => void) => {
  let state: LabState | undefined;
  const knobsOf = (name: BranchName) => (): Knobs => state?.runs[name]?.knobs ?? BRANCHES[name].knobs;
  const cards = BRANCH_NAMES.map((name) => card(name, tell, knobsOf(name)));
  byId("branches").append(...cards.map(({ element }) => element));
  const pause = byId<HTMLButtonElement>("pause");
  pause.addEventListener("click", () => tell({ kind: state?.rest === "paused" ? "go" : "pause" }));
  byId("again").addEventListener("click", () => {
    for (const name of BRANCH_NAMES) tell({ kind: "branch", name, knobs: knobsOf(name)() });
  });
  byId("nothing").addEventListener("click", () => tell({ kind: "anew", from: "nothing" }));
  byId<HTMLFormElement>("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    tell({ kind: "ask", request: byId<HTMLInputElement>("request").value.trim() });
  });
  byId("nothing").hidden = !hasStart;
  const draw = atNextPicture(() => {
    if (state === undefined) return;
    drawPlane(document.querySelector("#plane") as SVGSVGElement, pathsOf(state));
    drawStages(byId("stages"), state);
    for (const one of cards) one.draw(state);
    drawAnswers(byId<HTMLTableElement>("answers"), state);
    drawSkills(byId<HTMLTableElement>("skills"), state);
    pause.textContent = state.rest === "paused" ? "Go on" : "Pause";
    pause.disabled = state.rest === "done";
    const status = byId("status");
    const said = statusOf(state);
    if (status.textContent !== said) status.textContent = said;
    status.classList.toggle("problem", state.problem !== undefined);
    byId("engine").textContent = engineOf(state);
    byId("notice").textContent = [state.notice, state.device?.why].filter((line) => line).join("\n");
    byId("keeps").textContent = keepsOf(state);
  });
  return (next) => {
    state = next;
    draw();
  };
};
