/** The report of bench:gpu hides nothing: figures beside PyTorch's, what was not measured and why, how each part ended. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Result, reportOf } from "../../bench/gpu/report.js";

const about = { date: "2026-11-29", adapter: "Some GPU", machine: "node", laws: ["webgpu-kernels"] };
const name = fc.stringMatching(/^[a-z][a-z0-9 ]{0,11}$/).map((text) => `part ${text}`);
const message = fc.oneof(
  fc.record({
    name,
    value: fc.integer({ min: 1, max: 1e6 }),
    unit: fc.constant("ms"),
    peers: fc.constant(["x_f32_ms"]),
  }),
  fc.record({ name, why: fc.constantFrom("no time left", "memory holds no layer") }),
);
const part = fc.record({
  ...{ name, messages: fc.array(message), stdout: fc.constant(""), seconds: fc.nat({ max: 60 }) },
  fault: fc.option(fc.constantFrom("cut off after 5 s", "ended with 1: an error"), { nil: undefined }),
});

test("every figure, every reason and every fault is in the report, and PyTorch's figure with the quotient", () => {
  fc.assert(
    fc.property(fc.array(part), fc.integer({ min: 1, max: 1000 }), (parts, theirs) => {
      const torch: Result = { name: "torch", messages: [], stdout: `warning\n{"x_f32_ms": ${theirs}}`, seconds: 1 };
      const text = reportOf(about, [...parts, torch]);
      for (const { name, messages, fault } of parts) {
        assert.ok(text.includes(`## ${name}\n`));
        if (fault !== undefined) assert.ok(text.includes(`**${fault}**`));
        for (const one of messages)
          if ("why" in one) assert.ok(text.includes(`${one.name}: not measured: ${one.why}.`));
          else
            assert.ok(
              text.includes(
                `| ${one.name} | ${one.value} | ms |  | f32 ${theirs} (${(one.value / theirs).toPrecision(2)} ×) |`,
              ),
            );
      }
    }),
  );
});

test("of the laws the report has the sums and what failed; of PyTorch that it was not asked, or what it printed", () => {
  const stdout = "webgpu: Some GPU, hardware\n✔ one (1ms)\n✖ two (3ms)\nℹ pass 1\nℹ fail 1\n";
  const laws: Result = { name: "laws", messages: [], stdout, seconds: 3, fault: "ended with 1: " };
  const text = reportOf(about, [laws]);
  assert.match(text, /webgpu: Some GPU, hardware\npass 1\nfail 1\n✖ two/);
  assert.match(text, /PyTorch was not asked/);
  const cut: Result = { name: "torch", messages: [], stdout: "{", seconds: 85, fault: "cut off after 85 s" };
  assert.match(reportOf(about, [cut]), /## torch\n\n+85 s; \*\*cut off after 85 s\*\*/);
});
