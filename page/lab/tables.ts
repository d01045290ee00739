/** The two tables beneath the picture: what models answer, and which skills paid. */
import { COUNTED, KINDS, type Kind } from "../../lab/world/skills.js";
import { isStyled, stripStyle } from "../../lab/world/style.js";
import { el } from "../ui/element.js";
import { percent } from "../ui/numbers.js";
import type { RunName } from "./messages.js";
import { BRANCH_NAMES, BRANCHES } from "./settings.js";
import type { LabState } from "./state.js";

/** Columns: the tuned model, which is before, and the three after. */
const COLUMNS: readonly { readonly name: RunName; readonly title: string }[] = [
  { name: "sft", title: "Tuned (before)" },
  ...BRANCH_NAMES.map((name) => ({ name, title: BRANCHES[name].title })),
];

const heads = (first: string): HTMLElement =>
  el(
    "thead",
    {},
    el(
      "tr",
      {},
      el("th", { scope: "col" }, first),
      ...COLUMNS.map(({ name, title }) => el("th", { scope: "col", class: `tone ${name}` }, title)),
    ),
  );

/** An answer with its style set apart, marked where it is known what is right. */
const answerCell = (title: string, answer: string | undefined, right: string | undefined): HTMLElement => {
  if (answer === undefined) return el("td", { "data-title": title, class: "none" }, "–");
  const plain = stripStyle(answer);
  const at = answer.indexOf(plain);
  const parts = isStyled(answer)
    ? [el("i", {}, answer.slice(0, at)), plain, el("i", {}, answer.slice(at + plain.length))]
    : [answer];
  const isRight = plain === right;
  const mark = right === undefined ? [] : [el("span", { class: isRight ? "right" : "wrong" }, isRight ? "✓" : "✗")];
  const said = right === undefined ? [] : [el("span", { class: "unseen" }, isRight ? " right" : " wrong")];
  for (const sign of mark) sign.setAttribute("aria-hidden", "true");
  return el("td", { "data-title": title }, ...mark, el("code", {}, ...parts), ...said);
};

export const drawAnswers = (into: HTMLTableElement, { samples, runs, asked }: LabState): void => {
  const rows = samples.map(({ request, right }, i) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, el("code", {}, request)),
      ...COLUMNS.map(({ name, title }) => answerCell(title, runs[name]?.answers[i], right)),
    ),
  );
  const own =
    asked === undefined
      ? []
      : [
          el(
            "tr",
            { class: "own" },
            el("th", { scope: "row" }, el("code", {}, asked.request)),
            ...(asked.problem === undefined
              ? COLUMNS.map(({ name, title }) => answerCell(title, asked.answers[name], undefined))
              : [el("td", { colspan: COLUMNS.length, class: "wrong" }, asked.problem)]),
          ),
        ];
  into.replaceChildren(heads("Request"), el("tbody", {}, ...rows, ...own));
};

const NAMES: Readonly<Record<Kind, string>> = {
  cpy: "copy",
  upr: "upper case",
  rev: "reverse",
  srt: "sort",
  nxt: "next letter",
  fmt: "as a list",
  dbl: "double",
  add: "add",
  hey: "small talk",
};

export const drawSkills = (into: HTMLTableElement, { runs }: LabState): void => {
  const shares = (title: string, note: string, of: (name: RunName) => number | undefined): HTMLElement =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, title, ...(note === "" ? [] : [el("small", {}, ` ${note}`)])),
      ...COLUMNS.map(({ name, title: column }) => {
        const share = of(name);
        if (share === undefined) return el("td", { "data-title": column, class: "none" }, "–");
        const meter = el("span", { class: `meter ${name}`, "aria-hidden": "true" });
        meter.style.setProperty("--share", String(share));
        return el("td", { "data-title": column }, meter, percent(share));
      }),
    );
  const last = (name: RunName) => runs[name]?.points.at(-1)?.score;
  const kinds = KINDS.map((kind) =>
    shares(
      NAMES[kind],
      (COUNTED as readonly Kind[]).includes(kind) ? kind : `${kind}, not counted`,
      (name) => last(name)?.right[kind],
    ),
  );
  const mean = shares("skill", "mean of those that count", (name) => last(name)?.average);
  const style = shares("style", "", (name) => last(name)?.style);
  mean.className = "sum";
  into.replaceChildren(heads("Right answers"), el("tbody", {}, ...kinds, mean, style));
};
