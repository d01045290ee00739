import type { Claim } from "../analysis/claims.js";
import type { Verdict } from "../analysis/interval.js";
import type { Document } from "./document.js";
import { gauge } from "./forest.js";
import { points } from "./numbers.js";
import type { Part } from "./part.js";
import { escaped } from "./svg.js";

const CLASS: Readonly<Record<Verdict, string>> = {
  replicates: "replicates",
  "does not replicate": "fails",
  undecided: "undecided",
  "not run": "idle",
};
const ICON: Readonly<Record<Verdict, string>> = {
  replicates: "✓",
  "does not replicate": "✗",
  undecided: "?",
  "not run": "·",
};

/** A verdict, with its mark and colour. */
export const badge = (verdict: Verdict, words: string = verdict): string =>
  `<span class="verdict ${CLASS[verdict]}">${ICON[verdict]} ${words}</span>`;

const asked = ({
  world,
  verdict,
  measure,
  interval,
  id,
}: Claim): string => `<div data-claim="${id}" data-world="${world}">
${badge(verdict)}${interval === undefined ? "<br>" : ` <span class="interval">${points(interval)} points</span>${gauge(interval, CLASS[verdict])}`}
<small>${interval === undefined ? "" : `${escaped(world)} world; `}${escaped(measure)}</small></div>`;

/** A claim with what every world says of it. */
const card = (claims: readonly Claim[]): string =>
  `<li><b>${escaped(claims[0].claim)}</b>${claims.map(asked).join("\n")}</li>`;

/** A verdict for each claim, with the interval that it rests on. */
export const claimsSection = ({ claims }: Document): Part => {
  const ids = [...new Set(claims.map(({ id }) => id))];
  const of = (id: string) => claims.filter((claim) => claim.id === id);
  const idle = ids.filter((id) => of(id).every(({ verdict }) => verdict === "not run"));
  const cards = (run: boolean): string =>
    ids
      .filter((id) => idle.includes(id) !== run)
      .map((id) => card(of(id)))
      .join("\n");
  return {
    id: "claims",
    title: "What the paper says, and what the runs say",
    body: `<p class="soft">A claim is put as a number that is positive if it holds. It replicates if the whole interval is above zero, it does
not if the whole interval is below, else it is undecided: with few seeds small effects stay so, and <code>--seeds</code> adds
some. Of twenty intervals at 95 % one misses by chance.</p>
<ul class="claims">${cards(true)}</ul>
${idle.length === 0 ? "" : `<details><summary>${idle.length} claims need runs that this lab does not have</summary><ul class="claims">${cards(false)}</ul></details>`}`,
  };
};
