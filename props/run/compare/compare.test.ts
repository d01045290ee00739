/** Laws of a comparison: whole, cut off, with what fails, and by more processes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { scratch } from "../../cli/cli.js";
import { compared, tinyGrid } from "./tiny.js";

test("compare: whole", async () => {
  const folder = scratch();
  const t = process.cpuUsage();
  const { results } = await compared(tinyGrid(folder), join(folder, "out"));
  const { user, system } = process.cpuUsage(t);
  console.log((user + system) / 1e6);
  assert.ok(results.length > 100);
});
