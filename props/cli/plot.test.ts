/** Charts: well-formed, self-contained, and every finite number inside the frame. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lineChart, type Series } from "../../run/plot/line-chart.js";
import { ticks } from "../../run/plot/ticks.js";
import { law } from "../lab/world.js";

const values = fc.oneof(
  fc.double({ noNaN: true, min: -1e12, max: 1e12 }),
  fc.constantFrom(0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-30),
);
const series = fc
  .array(values, { maxLength: 20 })
  .map((ys): Series => ({ name: `a<b & "${ys.length}"`, points: ys.map((y, i) => [10 * i, y]), dots: ys.length < 5 }));

/** Tags open and close in order, and no markup comes out of names. */
const checkXml = (svg: string): void => {
  const open: string[] = [];
  for (const [, close, name, rest] of svg.matchAll(/<(\/?)(\w+)([^<>]*)>/g)) {
    if (close) assert.equal(open.pop(), name);
    else if (!rest.endsWith("/")) open.push(name);
  }
  assert.deepEqual(open, []);
  assert.ok(!/href|src=|url\(/.test(svg), "nothing from elsewhere");
};

law(
  "line charts are well-formed and draw every finite point inside the frame",
  (lines) => {
    const svg = lineChart({ title: "<loss>", xLabel: "step", series: lines });
    const finite = lines.filter(({ points }) => points.some(([, y]) => Number.isFinite(y)));
    assert.equal(svg === undefined, finite.length === 0);
    if (svg === undefined) return;
    checkXml(svg);
    assert.ok(!/NaN|Infinity|undefined/.test(svg));
    const paths = [...svg.matchAll(/ d="(M\d+\.\d [^"]*)"/g)].map(([, d]) => d);
    assert.equal(paths.length, Math.min(5, finite.length));
    paths.forEach((d, i) => {
      const drawn = [...d.matchAll(/[ML](-?\d+\.\d) (-?\d+\.\d)/g)].map(([, x, y]) => [Number(x), Number(y)]);
      assert.equal(drawn.length, finite[i].points.filter(([, y]) => Number.isFinite(y)).length);
      for (const [x, y] of drawn) assert.ok(x >= 64 && x <= 700 && y >= 64 && y <= 352, `${x} ${y}`);
    });
  },
  200,
  fc.array(series, { maxLength: 6 }),
);

law(
  "ticks are round, ascend inside the interval, and differ in their labels",
  (low, span, count) => {
    const { at, label } = ticks(low, low + span, count);
    assert.ok(at.length >= 1 && at.length <= count + 2, String(at));
    for (const [i, x] of at.entries()) {
      assert.ok(x >= low - 1e-6 * span && x <= low + span + 1e-6 * span);
      if (i > 0) assert.ok(x > at[i - 1]);
    }
    if (span > Math.abs(low) / 20) assert.equal(new Set(at.map(label)).size, at.length, at.map(label).join());
  },
  500,
  fc.integer({ min: -800, max: 800 }).map((n) => n / 8),
  fc.integer({ min: 1, max: 1 << 20 }).map((n) => n / 128),
  fc.integer({ min: 3, max: 10 }),
);

test("ticks of whole numbers, of one value, and of tiny ones", () => {
  const steps = ticks(1, 3, 8, true);
  assert.deepEqual(steps.at.map(steps.label), ["1", "2", "3"]);
  const none = ticks(5, 5, 6);
  assert.deepEqual(none.at.map(none.label), ["5"]);
  const tiny = ticks(0, 4e-7, 4);
  assert.deepEqual(tiny.at.map(tiny.label), ["0", "1.0e-7", "2.0e-7", "3.0e-7", "4.0e-7"]);
});
