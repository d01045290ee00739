/** Rows under props/golden; for laws that hold in pages too, as golden/stored.ts (props/runtimes/page/golden-rows.mjs). */
import { readRows } from "../../align/data/data.js";
import type { Row } from "../../align/data/layouts/data-row.js";
import { goldenPath } from "./files.js";

/** The rows of a JSONL file. */
export const goldenRows = (...parts: readonly string[]): Promise<Row[]> => readRows(goldenPath(...parts));
