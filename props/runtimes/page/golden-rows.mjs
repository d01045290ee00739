/** What props/golden/rows.ts is, in a page. */
import { parseRow } from "../../../align/data/layouts/data-row.js";
import { propsText } from "./golden-files.mjs";

export const goldenRows = async (...parts) => {
  const lines = propsText("golden", ...parts)
    .trimEnd()
    .split("\n");
  return lines.map((line, i) => parseRow(JSON.parse(line), `${parts.at(-1)}:${i + 1}`));
};
