/**
 * The campaign's cheap part: what strangers hand in, against the functions that read it, in this process. Each draw ends in
 * values, or in one clear line; never in a trace or a hang. `npm run campaign -- N` draws more, of all kinds, against the
 * command line, each in a process of its own.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { scratch } from "../cli/cli.js";
import { tries } from "../reach.js";
import { gateEnding, isWell } from "./attempt.js";
import { inputs } from "./inputs.js";
import { drawer, pick } from "./mutate.js";
import { targets } from "./targets/all.js";
import { laid } from "./targets/target.js";

const SEED = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 20));
const folder = scratch();
/** A folder of its own for each: what a reader has begun may go on for a moment. */
const fresh = (name: string): string => {
  const place = join(folder, name);
  mkdirSync(place);
  return place;
};

test("whole files are read", async () => {
  for (const target of targets) {
    const { gate } = laid(target, (path) => writeFileSync(path, target.whole), fresh(`whole-${target.name}`));
    const { ending, said } = await gateEnding(gate);
    assert.equal(ending, "runs", `${target.name}: ${said}`);
  }
});

test("300 draws end in values or in one line", async () => {
  const names = Object.keys(inputs);
  for (let i = 0; i < tries(300); i++) {
    const seed = SEED * 1_000_003 + i;
    const draw = drawer(seed);
    const { what, gate } = await inputs[pick(draw, names)](draw, fresh(`drawn-${i}`));
    assert.ok(gate !== undefined);
    const { ending, said } = await gateEnding(gate);
    assert.ok(isWell(ending), `${what}, seed ${seed}: ${ending}\n${said}`);
  }
});
