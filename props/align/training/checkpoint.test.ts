/** A checkpoint appears whole or not at all, and whatever happens to it afterwards is noticed. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import fc from "fast-check";
import {
  checkpointsIn,
  damageOf,
  type Manifest,
  removeUnfinished,
  rotateCheckpoints,
  writeCheckpoint,
} from "../../../align/training/checkpoint.js";
import { modelFingerprint } from "../../../align/training/fingerprint.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-checkpoint-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const out = join(folder, "out");
beforeEach(() => rmSync(out, { recursive: true, force: true }));

const FILES = { "model.safetensors": "some weights", "config.json": "{}", empty: "" };
const fill = async (to: string): Promise<void> => {
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(to, name), text);
};
const names = (): string[] => readdirSync(out).sort();

test("a checkpoint holds what was written and a manifest, and replaces one of its name", async () => {
  const path = await writeCheckpoint(out, 7, fill);
  assert.deepEqual(readdirSync(path).sort(), [...Object.keys(FILES), "manifest.json"].sort());
  assert.equal(await damageOf(path), undefined);
  await writeCheckpoint(out, 7, async (to) => writeFileSync(join(to, "other"), "text"));
  assert.deepEqual(readdirSync(path).sort(), ["manifest.json", "other"]);
  assert.deepEqual(names(), ["checkpoint-7"]);
});

test("where writing fails half-way, nothing is left, and the checkpoint of that name stays", async () => {
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
  const failing = async (to: string) => {
    await fill(to);
    throw full;
  };
  await assert.rejects(writeCheckpoint(out, 3, failing), full);
  assert.deepEqual(names(), []);
  const path = await writeCheckpoint(out, 3, fill);
  await assert.rejects(writeCheckpoint(out, 3, failing), full);
  assert.equal(await damageOf(path), undefined);
});

test("any changed byte, any cut, any missing file is damage", async () => {
  const path = await writeCheckpoint(out, 1, fill);
  const manifest = readFileSync(join(path, "manifest.json"), "utf8");
  const full = ["model.safetensors", "config.json"] as const;
  const damage = fc.oneof(
    fc.record({ how: fc.constant("flip" as const), name: fc.constantFrom(...full), at: fc.nat(11), bit: fc.nat(7) }),
    fc.record({ how: fc.constant("cut" as const), name: fc.constantFrom(...full), at: fc.nat(1), bit: fc.constant(0) }),
    fc.record({
      how: fc.constant("cut" as const),
      name: fc.constant("manifest.json"),
      at: fc.nat(manifest.length - 3),
      bit: fc.constant(0),
    }),
    fc.record({
      how: fc.constant("remove" as const),
      name: fc.constantFrom(...full, "empty", "manifest.json"),
      at: fc.constant(0),
      bit: fc.constant(0),
    }),
  );
  await fc.assert(
    fc.asyncProperty(damage, async ({ how, name, at, bit }) => {
      const file = join(path, name);
      const whole = readFileSync(file);
      if (how === "remove") rmSync(file);
      else if (how === "cut") writeFileSync(file, whole.subarray(0, at));
      else
        writeFileSync(
          file,
          Uint8Array.from(whole, (byte, i) => (i === at % whole.length ? byte ^ (1 << bit) : byte)),
        );
      const said = await damageOf(path);
      writeFileSync(file, whole);
      assert.notEqual(said, undefined);
      assert.ok(!said?.includes("\n"));
      assert.equal(await damageOf(path), undefined);
    }),
    { numRuns: 60 },
  );
});

test("a manifest is of its folder's step, names files of its folder, and says all of each", async () => {
  const path = await writeCheckpoint(out, 5, async (to) => {
    mkdirSync(join(to, "deep", "er"), { recursive: true });
    writeFileSync(join(to, "deep", "er", "file"), "text");
    await fill(to);
  });
  const manifest = join(path, "manifest.json");
  const told = JSON.parse(readFileSync(manifest, "utf8"));
  assert.deepEqual(Object.keys(told.files), ["config.json", "deep/er/file", "empty", "model.safetensors"]);
  const lacking = ({ names }: Manifest) => (names.has("deep/er/file") ? undefined : "lacks it");
  assert.equal(await damageOf(path, lacking), undefined);
  const [, first] = Object.values(told.files);
  const { "deep/er/file": _, ...fewer } = told.files;
  const lies: [RegExp, unknown][] = [
    [/^manifest\.json is that of step 6$/, { ...told, step: 6 }],
    [/is not one that this version writes$/, { ...told, step: null }],
    [/is not one that this version writes$/, { ...told, files: [] }],
    [/is no file of its folder$/, { ...told, files: { ...told.files, "../manifest.json": first } }],
    [/says neither how long config\.json is/, { ...told, files: { ...told.files, "config.json": { bytes: 2 } } }],
    [/^lacks it$/, { ...told, files: fewer }],
  ];
  for (const [said, lie] of lies) {
    writeFileSync(manifest, JSON.stringify(lie));
    assert.match((await damageOf(path, lacking)) ?? "nothing", said);
  }
  rmSync(join(path, "deep", "er", "file"));
  writeFileSync(manifest, JSON.stringify(told));
  assert.equal(await damageOf(path), "deep/er/file is missing");
});

test("rotation drops the oldest by number, and what a killed run left unfinished goes", async () => {
  for (const step of [2, 10, 9, 100]) await writeCheckpoint(out, step, fill);
  mkdirSync(join(out, "checkpoint-101.77-3.tmp"));
  writeFileSync(join(out, "model.safetensors.77-4.tmp"), "half a mod");
  mkdirSync(join(out, "checkpoint-notes"));
  writeFileSync(join(out, "checkpoint-5"), "a file");
  assert.deepEqual(
    checkpointsIn(out).map(({ step }) => step),
    [2, 9, 10, 100],
  );
  rotateCheckpoints(out, 2);
  removeUnfinished(out);
  assert.deepEqual(names(), ["checkpoint-10", "checkpoint-100", "checkpoint-5", "checkpoint-notes"]);
  assert.deepEqual(checkpointsIn(join(out, "nowhere")), []);
});

test("a model's fingerprint knows its weights and its configuration, and not its path", () => {
  const [a, b] = ["a", "b"].map((name) => join(out, name));
  for (const to of [a, b]) {
    mkdirSync(to, { recursive: true });
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(to, name), text);
  }
  writeFileSync(join(b, "README.md"), "words");
  assert.equal(modelFingerprint(a), modelFingerprint(b));
  for (const name of ["model.safetensors", "config.json"]) {
    writeFileSync(join(b, name), "some weight5");
    assert.notEqual(modelFingerprint(a), modelFingerprint(b));
    writeFileSync(join(b, name), FILES[name as keyof typeof FILES]);
  }
});
