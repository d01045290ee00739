import type { Verdict } from "../analysis/interval.js";
import type { Judged } from "../analysis/rivals.js";
import { MAIN_STYLE } from "../analysis/table.js";
import type { MethodName } from "../methods.js";
import { badge } from "./claims.js";
import type { Document } from "./document.js";
import { percent, points } from "./numbers.js";
import type { Part } from "./part.js";
import { escaped } from "./svg.js";

/** The same verdicts, of the claim that a method beats another. */
const WORDS: Readonly<Record<Verdict, string>> = {
  replicates: "better",
  "does not replicate": "worse",
  undecided: "within noise",
  "not run": "out of reach",
};

/** A difference with its verdict, and a note. */
export const judgedCell = ({ interval, verdict }: Pick<Judged, "interval" | "verdict">, note = ""): string =>
  `<td>${interval === undefined ? "" : `${points(interval)} `}${badge(verdict, WORDS[verdict])}${note}</td>`;

/** What stands above the column, if it is not what the cell is about: whom it was held against, at which style rate. */
const other = (methods: Document["methods"], { against, style }: Judged, named: MethodName | undefined): string => {
  const said = [
    ...(against === undefined || against === named ? [] : [`− ${escaped(methods[against].label)}`]),
    ...(style === undefined || style === MAIN_STYLE ? [] : [`at ${percent(style, 0)} %`]),
  ];
  return said.length === 0 ? "" : `<br><small>${said.join(", ")}</small>`;
};

/** What came after the paper, and what this project proposes, against AdamW and against online merging. */
export const rivalsSection = ({ worlds, methods }: Document): Part | undefined => {
  const tables = Object.entries(worlds).flatMap(([world, { rivals }]) => {
    if (rivals.length === 0) return [];
    const online = rivals.find(({ online: { style } }) => style === MAIN_STYLE)?.online.against;
    const cells = (judged: Judged, named: MethodName | undefined) => judgedCell(judged, other(methods, judged, named));
    const lines = rivals.map(
      (rival) =>
        `<tr data-rival="${rival.method}"><td>${escaped(methods[rival.method].label)}</td><td>${escaped(methods[rival.method].family)}</td>${cells(rival.adamw, "adamw")}${cells(rival.online, online)}</tr>`,
    );
    const heading = online === undefined ? "online merging" : escaped(methods[online].label);
    return [
      `<h3>${escaped(world)} world</h3><div class="scroll"><table class="named" data-table="rivals ${escaped(world)}"><thead><tr><th></th><th>is a</th><th>− AdamW</th><th>− ${heading}</th></tr></thead>
<tbody>${lines.join("")}</tbody></table></div>`,
    ];
  });
  if (tables.length === 0) return undefined;
  return {
    id: "rivals",
    title: "What came after the paper",
    body: `<p class="soft">Skill at style ${percent(MAIN_STYLE, 0)} % minus AdamW's, and minus that of the online merge that validation prefers, in points,
with 95 % intervals over seeds. What does not learn so much style under every seed is held against them at the largest of 80 %, 70 % and so on that it reaches.
WARP takes twice the steps; OGPSA and NSPO look at tuning data, which no other does; a proposal is this project's own.</p>
${tables.join("\n")}`,
  };
};
