import { sizeOf } from "../../../../core/index.js";
import type { MatmulText } from "./text.js";

/** Rows of tiles whose workgroups run one after the other along the columns: what they read stays in the cache. */
const TOGETHER = 8;

/** What workgroups there are: a tile each, for every batch, and for every part of the inner axis, `length` each but the last. */
interface Groups {
  readonly rows: number;
  readonly columns: number;
  readonly parts: number;
  readonly length: number;
}

/**
 * How many workgroups, and the lines that say what one of them computes: `row` and `column` where its tile begins, `batch`, the
 * inner axis from `begin` to `end`, and `partAt`, where the product of its part begins.
 */
export const groupLines = ({ k, sizes, bases }: MatmulText, { rows, columns, parts, length }: Groups) => {
  const [down, across] = [Math.ceil(sizes.m / rows), Math.ceil(sizes.n / columns)];
  const count = down * across * sizes.batch * parts;
  const [downText, acrossText, batchText] = [k.param(down), k.param(across), k.param(sizes.batch)];
  const lengthText = k.param(length);
  const lines = [
    `if (group >= ${k.param(count)}) { return; }`,
    `let tiles = ${downText} * ${acrossText};`,
    "let slab = group / tiles;",
    `let band = group % tiles / (${TOGETHER}u * ${acrossText});`,
    `let within = group % tiles % (${TOGETHER}u * ${acrossText});`,
    `let high = min(${downText} - band * ${TOGETHER}u, ${TOGETHER}u);`,
    `let row = (band * ${TOGETHER}u + within % high) * ${rows}u;`,
    `let column = within / high * ${columns}u;`,
    `let batch = slab % ${batchText};`,
    `let partAt = slab / ${batchText} * ${k.param(sizeOf([sizes.batch, sizes.m, sizes.n]))};`,
    `let begin = slab / ${batchText} * ${lengthText};`,
    `let end = min(begin + ${lengthText}, ${k.param(sizes.inner)});`,
    ...bases,
  ];
  return { count, lines };
};
