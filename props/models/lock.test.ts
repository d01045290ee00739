/** Laws of files that several processes, full disks and strangers meet: locks, appends, folders, the system's words. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs, { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { constants } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../core/index.js";
import { openAppend } from "../../models/files/writing/append.js";
import { DEAD_AFTER, isGone, thisProcess } from "../../models/files/writing/holder.js";
import { LOCK, lockFolder } from "../../models/files/writing/lock.js";
import { makeFolder, removeEmpty } from "../../models/files/writing/make-folder.js";
import { errorName, isSystemError, systemWords } from "../../models/files/writing/system-error.js";
import { checkWritable, samePlace } from "../../run/checks/check.js";
import { scratch } from "../cli/cli.js";

const root = scratch();
const posix = { skip: process.platform === "win32" ? "the devices and limits are POSIX's" : false };
const refusal = (message: RegExp) => (error: unknown) => error instanceof InputError && message.test(error.message);

/** Runs with another writeSync in node:fs. */
const withWrite = <T>(write: typeof fs.writeSync, run: () => T): T => {
  const before = fs.writeSync;
  fs.writeSync = write;
  syncBuiltinESMExports();
  try {
    return run();
  } finally {
    fs.writeSync = before;
    syncBuiltinESMExports();
  }
};

test("a folder has one holder, is given back with what was made for it, and holds nothing then", () => {
  const folder = join(root, "new", "inner");
  const first = lockFolder(folder, "dpo", assert.fail);
  assert.throws(
    () => lockFolder(folder, "sft", assert.fail),
    refusal(
      new RegExp(`inner: taugrad dpo \\(process ${process.pid} on .*, since .*\\) writes there .*; wait for its end`),
    ),
  );
  assert.equal(first.state(), "held");
  assert.deepEqual(readdirSync(folder), [LOCK]);
  first.release();
  first.release();
  assert.ok(!fs.existsSync(join(root, "new")));
  const again = lockFolder(folder, "sft", assert.fail);
  writeFileSync(join(folder, "kept"), "");
  again.release();
  assert.deepEqual(readdirSync(folder), ["kept"]);
});

test("a dead holder's lock is taken over with a word; of another machine it is by its silence", () => {
  const folder = join(root, "dead");
  mkdirSync(folder);
  const path = join(folder, LOCK);
  const me = thisProcess("me", "merge");
  const { pid } = spawnSync(process.execPath, ["--version"]);
  const holders = {
    ended: { ...me, id: "a", pid },
    "of a number given anew": { ...me, id: "b", began: "1" },
    "of another machine": { ...me, id: "c", boot: "another", host: "far", pid: 1 },
  };
  for (const [name, holder] of Object.entries(holders)) {
    writeFileSync(path, JSON.stringify(holder));
    const isFar = holder.host === "far";
    if (isFar)
      assert.throws(() => lockFolder(folder, "sft", assert.fail), refusal(/process 1 on far, .*counts as gone after/));
    const then = Date.now() / 1000 - DEAD_AFTER - 5;
    if (isFar) utimesSync(path, then, then);
    const said: string[] = [];
    const lock = lockFolder(folder, "sft", (line) => said.push(line));
    assert.match(
      said.join("\n"),
      /^note: \S+dead: taken over from taugrad merge \(process \d+ on \S+, since \S+\), which is gone$/,
      name,
    );
    assert.equal(lock.state(), "held");
    writeFileSync(path, JSON.stringify({ ...me, id: "successor" }));
    assert.equal(lock.state(), "lost");
    lock.release();
    assert.ok(fs.existsSync(path), "a successor's lock stays");
    rmSync(path);
    assert.equal(lock.state(), "gone");
  }
  // What is no lock of ours, an empty one too, is somebody's for a while.
  for (const text of ["", "null", "{", "[1]"]) {
    writeFileSync(path, text);
    assert.throws(() => lockFolder(folder, "sft", assert.fail), refusal(/dead: somebody writes there/), text);
  }
  assert.ok(!isGone(me, me, Number.POSITIVE_INFINITY), "a process that lives is never gone");
});

test("whoever died while it took a dead holder's place is a dead holder too", () => {
  const folder = join(root, "claimed");
  mkdirSync(folder);
  const path = join(folder, LOCK);
  const { pid } = spawnSync(process.execPath, ["--version"]);
  for (const [name, id] of [
    [path, "first"],
    [`${path}.first`, "second"],
    [`${path}.first.second`, "third"],
  ])
    writeFileSync(name, JSON.stringify({ ...thisProcess(id, "sft"), pid }));
  const lock = lockFolder(folder, "sft", () => {});
  assert.equal(lock.state(), "held");
  assert.deepEqual(readdirSync(folder), [LOCK]);
  // One who lives, and is about to take the place, is waited for.
  writeFileSync(path, JSON.stringify({ ...thisProcess("first", "sft"), pid }));
  writeFileSync(`${path}.first`, JSON.stringify(thisProcess("second", "dpo")));
  assert.throws(() => lockFolder(folder, "sft", assert.fail), refusal(/claimed: taugrad dpo .* writes there/));
  lock.release();
});

test("appends are whole whatever the system takes at a time, or leave nothing of themselves", () => {
  const path = join(root, "grown");
  const real = fs.writeSync;
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }), { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 24 }),
      (records, shares) => {
        rmSync(path, { force: true });
        writeFileSync(path, "kept\ntorn");
        const file = openAppend(path, 5);
        let [call, expected] = [0, "kept\n"];
        // Takes a few bytes at a time; a share of 0 is a disk that is full.
        const writeSync = ((handle: number, bytes: Uint8Array, from: number, count: number) => {
          const share = shares[call++ % shares.length];
          if (share === 0)
            throw Object.assign(new Error("ENOSPC: full"), { code: "ENOSPC", syscall: "write", errno: -28 });
          return real(handle, bytes, from, Math.min(share, count));
        }) as typeof fs.writeSync;
        withWrite(writeSync, () => {
          for (const record of records.map((text) => `${text}\n`)) {
            try {
              file.write(record);
              expected += record;
            } catch (error) {
              assert.ok(
                refusal(/grown: cannot be written \(ENOSPC: no space left on the disk\)/)(error),
                String(error),
              );
            }
          }
        });
        file.close();
        assert.equal(readFileSync(path, "utf8"), expected);
      },
    ),
    { numRuns: 30 },
  );
});

test("every error that the system knows has words, and its name where Node has none", () => {
  for (const [name, number] of Object.entries(constants.errno)) {
    const code = name === "EDQUOT" ? `Unknown system error -${number}` : name;
    const error = Object.assign(new Error("x"), { code, syscall: "write", errno: -number });
    assert.ok(isSystemError(error));
    assert.match(errorName(error), /^E[A-Z0-9]+$/);
    assert.match(systemWords(error), /\w/);
    assert.ok(!/Unknown/.test(systemWords(error)), name);
  }
  assert.ok(!isSystemError(Object.assign(new Error("x"), { code: "ERR_INVALID_ARG_TYPE" })));
});

test(
  "folders are made one by one, where nothing can be made at once refused, and what was made goes again",
  posix,
  () => {
    const inner = join(root, "a", "b", "c");
    const made = makeFolder(inner);
    assert.deepEqual(made, [inner, join(root, "a", "b"), join(root, "a")]);
    assert.deepEqual(makeFolder(inner), []);
    writeFileSync(join(root, "a", "full"), "");
    removeEmpty(made);
    assert.deepEqual(readdirSync(join(root, "a")), ["full"]);
    for (const path of ["/proc/nothing/here", join(root, "a", "full", "inner"), `${root}/${"x".repeat(300)}/y`])
      assert.throws(() => makeFolder(path), isSystemError, path);
    assert.ok(statSync(root).isDirectory());
  },
);

test("a folder that others make and take away meanwhile is made all the same, and is one to write into", async () => {
  const outer = join(scratch(), "outer");
  const inner = join(outer, "inner");
  // What another rank of the same run does, all the time.
  const script = `const fs = require("node:fs"), [outer, inner] = process.argv.slice(1);
    for (const end = Date.now() + 400; Date.now() < end; )
      for (const go of [() => fs.mkdirSync(outer), () => fs.mkdirSync(inner), () => fs.rmdirSync(inner), () => fs.rmdirSync(outer)])
        try { go(); } catch {}`;
  const other = spawn(process.execPath, ["-e", script, outer, inner]);
  const ended = once(other, "exit");
  for (let tries = 0; other.exitCode === null; tries++) {
    checkWritable("output_dir", inner);
    assert.ok(samePlace(inner, inner));
    removeEmpty(makeFolder(inner));
    if (tries % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
});
