import type { Verdict } from "../analysis/interval.js";
import type { Judged } from "../analysis/rivals.js";
import { MAIN_STYLE } from "../analysis/table.js";
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

/** A difference with its verdict. */
export const judgedCell = ({ interval, verdict }: Pick<Judged, "interval" | "verdict">): string =>
  `<td>${interval === undefined ? "" : `${points(interval)} `}${badge(verdict, WORDS[verdict])}</td>`;

/** What came after the paper, and what this project proposes, against AdamW and against online merging. */
export const rivalsSection = ({ worlds, methods }: Document): Part | undefined => {
  const tables = Object.entries(worlds).flatMap(([world, { rivals }]) => {
    if (rivals.length === 0) return [];
    const [{ online }] = rivals;
    const other = online.against === undefined ? "online merging" : methods[online.against].label;
    const lines = rivals.map(
      ({ method, adamw, online: judged }) =>
        `<tr data-rival="${method}"><td>${escaped(methods[method].label)}</td><td>${escaped(methods[method].family)}</td>${judgedCell(adamw)}${judgedCell(judged)}</tr>`,
    );
    return [
      `<h3>${escaped(world)} world</h3><div class="scroll"><table class="named" data-table="rivals ${escaped(world)}"><thead><tr><th></th><th>is a</th><th>− AdamW</th><th>− ${escaped(other)}</th></tr></thead>
<tbody>${lines.join("")}</tbody></table></div>`,
    ];
  });
  if (tables.length === 0) return undefined;
  return {
    id: "rivals",
    title: "What came after the paper",
    body: `<p class="soft">Skill at style ${percent(MAIN_STYLE, 0)} % minus AdamW's, and minus that of the online merge that validation prefers, in points,
with 95 % intervals over seeds. WARP takes twice the steps; OGPSA and NSPO look at tuning data, which no other does; a proposal is this project's own.</p>
${tables.join("\n")}`,
  };
};
