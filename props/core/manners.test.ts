/** How tensors behave where they are shown, taken for numbers or text, forgotten, or used on a closed device. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inspect, promisify } from "node:util";
import * as t from "../../core/index.js";
import { openReference } from "../../kernels/reference/index.js";
import { projectRoot } from "../golden/files.js";
import { check } from "../law.js";

const any = (x: t.Tensor): number => x as unknown as number;

test("a tensor shows dtype, shape, place, and the numbers of a constant", async () => {
  const device = await openReference();
  const x = t.tensor([
    [1, 2.5],
    [-3, Number.NaN],
  ]);
  assert.equal(inspect(x), "Tensor f32[2,2]\n[[1, 2.5],\n [-3, NaN]]");
  assert.equal(x.toString(), inspect(x));
  assert.equal(inspect({ mask: t.tensor([true, false]) }), "{ mask: Tensor bool[2] [true, false] }");
  assert.equal(t.add(x, 1).toString(), "Tensor f32[2,2], not computed: add(…)");
  assert.equal(t.scalar(1 / 3).toString(), "Tensor f32[] 0.333333");
  assert.equal(t.tensor(new Float32Array(9000), [90, 100]).toString().split("\n").length, 8);
  const y = t.evaluate(t.add(x, 1), device);
  assert.equal(`${inspect(y)}`, "Tensor f32[2,2] on reference");
  t.dispose(y);
  assert.equal(inspect(y), "Tensor f32[2,2] disposed of by dispose(…)");
  let traced = "";
  t.compile((a: t.Tensor) => {
    traced = a.toString();
    return t.mul(a, 2);
  }, device)(t.tensor([1]));
  assert.equal(traced, "Tensor f32[1], an argument of a function that is being traced");
});

test("a tensor in an expression of numbers or text throws, and says what to write", () => {
  const x = t.tensor([1, 2]);
  const uses: readonly (readonly [() => unknown, RegExp])[] = [
    [() => any(x) > 0, /^ShapeError: a tensor f32\[2\] is used as a number\n {2}hint: less\(x, y\).*await item\(x\)/],
    [() => -any(x), /used as a number/],
    [() => any(x) * 2, /used as a number/],
    [() => any(x) + 1, /used as a number or text\n {2}hint: add\(x, y\)/],
    [() => `${x}`, /used as text\n {2}hint: x\.toString\(\)/],
    [() => Math.max(any(x), 1), /used as a number/],
    [() => [...(x as unknown as number[])], /used as a list\n {2}hint: unstack\(x\)/],
    [() => JSON.stringify({ loss: x }), /used as JSON\n {2}hint: await toArray\(x\)/],
  ];
  for (const [use, message] of uses) assert.throws(use, message, `${use}`);
});

check("item, toArray and print give the numbers, by rank; scopes and `using` free what they made", async (device) => {
  const before = device.stats().liveBuffers;
  const f = t.compile((x: t.Tensor) => ({ x: t.mul(x, 2), sum: t.sum(x), big: t.less(2, x) }), device);
  const lines: unknown[] = [];
  const { log } = console;
  console.log = (line: unknown) => lines.push(line);
  try {
    using out = t.disposable(f(t.tensor([[1, 2, 3]])));
    const rows: number[][] = await t.toArray(out.x, 2);
    assert.deepEqual(rows, [[2, 4, 6]]);
    assert.deepEqual(await t.toArray(out.big), [[0, 0, 1]]);
    assert.equal(await t.item(out.sum), 6);
    assert.equal(await t.item(t.tensor([[7]])), 7);
    await assert.rejects(t.item(out.x), /item\(f32\[1,3\]\): it has 3 elements, not one\n {2}hint: toArray/);
    await assert.rejects(t.toArray(out.x, 1), /toArray\(f32\[1,3\], 1\): it has 2 axes/);
    await assert.rejects(t.item(t.add(out.sum, 1)), t.OwnershipError);
    await t.print({ b: out.big, n: t.add(out.sum, 1) });
    using alone = t.evaluate(t.add(out.sum, 1), device);
    assert.equal(await t.item(alone), 7);
  } finally {
    console.log = log;
  }
  assert.deepEqual(lines, [
    `b: Tensor bool[1,3] on ${device.name}\n[[false, false, true]]`,
    "n: Tensor f32[], not computed: add(…)",
  ]);
  assert.equal(device.stats().liveBuffers, before);
  const kept = t.scope(() => {
    const inner = t.scope(() => [f(t.tensor([[1, 2, 3]])).x, 5] as const);
    f(t.tensor([[1, 2, 3]]));
    return { x: inner[0], five: inner[1] };
  });
  assert.equal(kept.five, 5);
  assert.equal(device.stats().liveBuffers, before + 1);
  assert.deepEqual(await t.toArray(kept.x), [[2, 4, 6]]);
  t.dispose(kept.x);
  assert.throws(
    () =>
      t.scope(() => {
        f(t.tensor([[1, 2, 3]]));
        throw new Error("mine");
      }),
    /mine/,
  );
  const round: { self?: unknown } = {};
  round.self = round;
  assert.equal(
    t.scope(() => round),
    round,
  );
  assert.throws(
    () => t.scope(async () => f(t.tensor([[1, 2, 3]]))),
    /OwnershipError: scope\(…\): the function is async/,
  );
  assert.equal(device.stats().liveBuffers, before);
  for (const program of f.programs()) program.free();
});

test("a closed device is named by whatever is asked of it", async () => {
  const device = await openReference();
  const x = t.upload(t.tensor([1]), device);
  const step = t.compile((a: t.Tensor) => t.add(a, 1), device, { name: "step" });
  t.dispose(step(x));
  await device.close();
  const closed = (call: string) =>
    new RegExp(`^DeviceError: ${call}: the device reference is closed\\n {2}hint: close it last`);
  assert.throws(() => step(x), closed("step\\(…\\)"));
  assert.throws(() => step(t.tensor([1])), closed("step\\(…\\)"));
  assert.throws(() => t.evaluate(t.add(x, 1), device), closed("evaluate\\(…\\)"));
  assert.throws(() => t.upload(t.tensor([1]), device), closed("upload"));
  await assert.rejects(t.read(x), closed("read"));
  t.dispose(x);
});

test("programs by shape are kept up to a limit, the one used longest ago goes, and the fiftieth has a word", async () => {
  const device = await openReference();
  const words: string[] = [];
  const { error } = console;
  console.error = (line: string) => words.push(line);
  try {
    let traced = 0;
    const double = (x: t.Tensor) => {
      traced++;
      return t.mul(x, 2);
    };
    const f = t.compile(double, device, { maxPrograms: 3 });
    const ask = async (n: number) =>
      assert.deepEqual(await t.toArray(f(t.tensor(new Float32Array(n).fill(1))), 1), new Array(n).fill(2));
    for (const n of [1, 2, 3, 1, 4, 1, 3]) await ask(n); // 4 takes the place of 2
    assert.deepEqual([f.programs().length, traced], [3, 4]);
    await ask(2);
    assert.deepEqual([f.programs().length, traced], [3, 5]);
    for (let n = 5; n < 50; n++) await ask(n);
    assert.deepEqual([f.programs().length, traced], [3, 50]);
    assert.equal(words.length, 1);
    assert.match(words[0], /^taugrad: double was planned for its 50th structure of arguments, f32\[49\]: .*3 are kept/);
    assert.throws(() => t.compile(double, device, { maxPrograms: 0 }), /maxPrograms 0 is not an integer above 0/);
  } finally {
    console.error = error;
  }
});

test("DEBUG=leaks: a device tells as it closes what was forgotten, and where that was made", async () => {
  const file = join(projectRoot, ".props", "forgets.mjs");
  writeFileSync(
    file,
    `import * as t from "taugrad";
import { open } from "taugrad/devices";
const device = await open("reference");
const forgets = () => t.evaluate(t.ones([2, 3]), device);
forgets(); forgets();
t.dispose(t.evaluate(t.ones([4]), device));
await device.close();
`,
  );
  const env = { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: undefined, DEBUG: "leaks" };
  const { stderr } = await promisify(execFile)(process.execPath, [file], { cwd: projectRoot, env });
  assert.match(
    stderr,
    /^taugrad: (2 × )?f32\[2,3\] on reference was never disposed of; made .*forgets.*forgets\.mjs:4/,
  );
  assert.doesNotMatch(stderr, /f32\[4\]/);
});
