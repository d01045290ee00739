/** The lab's report: one file that says what results.json says, and looks well in light, in dark and on a phone. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { MAIN_STYLE } from "../../lab/analysis/table.js";
import { reportOf } from "../../lab/report/html.js";
import { SIZES } from "../../lab/sizes.js";
import { openPage, type Page } from "./browser.js";
import { madeUpDocument } from "./lab-values.js";

const document = madeUpDocument(SIZES.full);
const html = reportOf(document);

test("lab report: one file, no network, no script, nothing undefined", () => {
  assert.doesNotMatch(html, /https?:|<script|<link|<img|@import|url\(/i);
  const diverged = reportOf(madeUpDocument({ ...SIZES.full, rates: [3e-5, 2e-3] }));
  for (const text of [html, diverged]) assert.doesNotMatch(text, /undefined|NaN|Infinity|\[object/);
  const open: string[] = [];
  for (const [, slash, name, end] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)(?:\s[^<>]*?)?(\/?)>/gi)) {
    if (["meta", "br"].includes(name) || end === "/") continue;
    if (slash === "") open.push(name);
    else assert.equal(open.pop(), name);
  }
  assert.deepEqual(open, []);
});

test("lab report: a function of what results.json holds", () => {
  for (const whole of [document, madeUpDocument({ ...SIZES.full, seeds: [0] })]) {
    const read = JSON.parse(JSON.stringify(whole)) as typeof document;
    assert.equal(reportOf(read), reportOf(whole));
  }
});

test("lab report: every claim stands there with its verdict and its interval", () => {
  for (const { id, world, verdict, interval } of document.claims) {
    const card = html.split("<div ").find((part) => part.startsWith(`data-claim="${id}" data-world="${world}"`)) ?? "";
    assert.ok(card.includes(`${verdict}</span>`), `${id}, ${world}`);
    if (interval !== undefined) assert.ok(card.includes((100 * Math.abs(interval.mean)).toFixed(1)), `${id}, ${world}`);
  }
  assert.ok(document.claims.filter(({ verdict }) => verdict !== "not run").length >= 20);
});

test("lab --quick has the runs of a claim that three seeds decide: of the report's claims, what it cannot ask is not run", () => {
  const quick = madeUpDocument(SIZES.quick).claims;
  assert.ok(quick.find(({ id }) => id === "fragile")?.interval !== undefined);
  for (const { verdict, interval } of quick) assert.equal(verdict === "not run", interval === undefined);
});

test("lab report: Table 1 shows the numbers of the runs", () => {
  for (const [world, { table }] of Object.entries(document.worlds)) {
    const body = html.split(`<table data-table="${world}">`)[1].split("</table>")[0];
    const lines = [...body.matchAll(/<tr>(.*?)<\/tr>/gs)].map((row) =>
      [...row[1].matchAll(/<td[^>]*>(.*?)<\/td>/gs)].map((cell) => cell[1]),
    );
    for (const { method, rate, selected } of table) {
      const cells = lines.find(([name]) => name === document.methods[method].label) ?? [];
      const runs = document.runs.filter(
        (run) => run.section === "methods" && run.world === world && run.line === method && run.x === rate,
      );
      assert.equal(runs.length, document.size.seeds.length);
      const mean = runs.reduce((sum, { measures }) => sum + measures.test.average, 0) / runs.length;
      assert.equal(cells[2], (100 * mean).toFixed(1));
      assert.equal(cells[2], (100 * selected.average).toFixed(1));
    }
    assert.ok(body.includes(`skill at ${100 * MAIN_STYLE} %`));
  }
});

/** Means over seeds of some runs' test scores, in percent. */
const shown = (runs: typeof document.runs, key: "average" | "style"): string =>
  ((100 * runs.reduce((sum, { measures }) => sum + measures.test[key], 0)) / runs.length).toFixed(1);

test("lab report: every dot of a plot is a mean of runs, and every run has its dots", () => {
  const titles = [...html.matchAll(/<title>([^<]*)<\/title><\/circle>/g)].map(([, title]) => title);
  const expected = new Set<string>();
  const groups = new Map<string, typeof document.runs>();
  for (const run of document.runs) {
    const place = [run.section, run.world, run.line, run.x].join();
    groups.set(place, [...(groups.get(place) ?? []), run]);
  }
  for (const runs of groups.values()) {
    const [{ section, line, x }] = runs;
    const [style, skill] = [shown(runs, "style"), shown(runs, "average")];
    if (section === "methods")
      expected.add(
        `${document.methods[line].label} at ${x.toExponential().replace("e-", "e−")}: style ${style} %, skill ${skill} %`,
      );
    const axis = { p: "p", gap: "K", meet: "K", beta: "β" }[section as string];
    const name = line
      .replace(/^ondare_official/, "OnDARE")
      .replace(/^onties_official/, "OnTIES")
      .replace(/^adamw/, "AdamW")
      .replace(/^meet_/, "");
    if (axis !== undefined)
      for (const share of [style, skill])
        expected.add(`${name}, ${axis} ${x < 0.01 ? x.toExponential() : x}: ${share} %`);
    if (section === "alpha")
      for (const share of [style, skill]) {
        const drift = (100 * x) / (line.endsWith(" 0.01") ? 0.01 : line.startsWith("ondare") ? 0.3 : 1);
        expected.add(`${name}, A ${Number(drift.toPrecision(3))}: ${share} %`);
      }
  }
  const drawn = titles.filter((title) => /: style |, (p|K|β|A) /.test(title));
  assert.deepEqual(new Set(drawn), expected);
});

test("lab report: Table 2 stands there as soon as another loss was run, with DPO beside it", () => {
  assert.ok(!html.includes('data-table="losses"') || document.losses.length > 0);
  const { analyses } = SIZES.full;
  const other = madeUpDocument({
    ...SIZES.full,
    analyses: { ...analyses, losses: ["sigmoid"], lossRates: SIZES.full.rates },
  });
  assert.equal(other.losses.length, 6);
  const [before, after] = [other.losses.slice(0, 3), other.losses.slice(3)];
  assert.deepEqual(after, before, "the same runs, so the same places");
  assert.ok(after[1].minusAdamW !== undefined && Math.abs(after[1].minusAdamW.mean - 0.02) < 1e-9);
  assert.match(reportOf(other), /data-table="losses".*<td>OnDARE \(official\)<\/td><td>[\d.]+<\/td><td>\+2\.0/s);
});

/** Width of the content, and the background's colour. */
const seen = async (page: Page): Promise<{ width: number; height: number; ground: string; svgs: number }> => {
  const expression = `(() => { const { scrollWidth, scrollHeight } = document.documentElement;
    const svgs = [...document.querySelectorAll("svg")].filter((s) => s.getBoundingClientRect().height > 50).length;
    return { width: scrollWidth, height: scrollHeight, ground: getComputedStyle(document.body).backgroundColor, svgs }; })()`;
  const { result } = await page.send("Runtime.evaluate", { expression, returnByValue: true });
  return (result as { value: { width: number; height: number; ground: string; svgs: number } }).value;
};

test("lab report: in Chromium, light and dark, on a desk and on a phone", async (t) => {
  const page = await openPage();
  if (typeof page === "string") {
    console.log(`the report is not looked at in a browser: ${page}`);
    t.skip(page);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "taugrad-report-"));
  try {
    const file = join(folder, "report.html");
    writeFileSync(file, html);
    const loaded = page.event("Page.loadEventFired");
    await page.send("Page.navigate", { url: pathToFileURL(file).href });
    await loaded;
    const grounds = new Set<string>();
    const shots = new Set<string>();
    for (const scheme of ["light", "dark"])
      for (const width of [1200, 390]) {
        await page.send("Emulation.setDeviceMetricsOverride", {
          width,
          height: 900,
          deviceScaleFactor: 1,
          mobile: width < 500,
        });
        await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
        const { width: content, height, ground, svgs } = await seen(page);
        assert.ok(content <= width, `${scheme}: ${content} pixels of content on ${width}`);
        assert.ok(height > 2000 && svgs > 30, `${scheme}, ${width}: ${height} pixels high, ${svgs} drawings`);
        grounds.add(ground);
        const shot: Record<string, unknown> = await page.send("Page.captureScreenshot", { format: "png" });
        const png = Buffer.from(shot.data as string, "base64");
        assert.equal(png.readUInt32BE(16), width);
        assert.ok(png.length > 20_000, `${scheme}, ${width}: a screenshot of ${png.length} bytes is empty`);
        shots.add(png.toString("base64"));
      }
    assert.equal(grounds.size, 2);
    assert.equal(shots.size, 4);
  } finally {
    await page.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
