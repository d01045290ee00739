/** Programs of strangers end: on this thread against a clock, on others when they take too much time or memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inTime } from "../../../models/platform/node/in-time.js";
import { startThread, ThreadLost } from "../../../models/strangers/thread.js";
import type { Spend } from "./spender.js";

const refuse = (why: string): Error => new Error(`it ${why}`);

test("a clock ends what tries every way, and nothing else changes", () => {
  assert.throws(
    () => inTime(30, refuse, () => /^(a+)+$/.test(`${"a".repeat(40)}!`)),
    /^Error: it takes more than 0 s$/,
  );
  assert.equal(
    inTime(5000, refuse, () => inTime(5000, refuse, () => "made")),
    "made",
  );
  const own = new RangeError("its own");
  assert.throws(
    () =>
      inTime(5000, refuse, () => {
        throw own;
      }),
    own,
  );
  assert.throws(() => inTime(30, refuse, () => inTime(5000, refuse, () => /^(a+)+$/.test(`${"a".repeat(40)}!`))));
});

test("a thread answers in order, and ends when it takes too much", async () => {
  const { here, serve } = await import("./spender.js");
  const start = (mebibytes = 64) =>
    startThread<string, Spend, string>({ module: { here, serve }, data: "hello", mebibytes }, (message, isInput) => {
      assert.equal(isInput, false);
      return new Error(`revived: ${message}`);
    });
  const long = { limit: 20_000 };
  const kind = start();
  const answers = await Promise.allSettled(["a", "", "b"].map((say) => kind.ask({ say }, long)));
  assert.deepEqual(
    answers.map((one) => (one.status === "fulfilled" ? one.value : String(one.reason))),
    ["hello a", "Error: revived: nothing to say", "hello b"],
  );
  const late = [kind.ask({ time: true }, { limit: 100 }), kind.ask({ say: "c" }, long)];
  for (const one of await Promise.allSettled(late))
    assert.ok(
      one.status === "rejected" && one.reason instanceof ThreadLost && /takes more than/.test(one.reason.message),
    );
  await assert.rejects(kind.ask({ say: "d" }, long), ThreadLost);
  await assert.rejects(start().ask({ heap: true }, long), /takes more than 64 MiB of memory/);
  await assert.rejects(start().ask({ buffers: true }, { ...long, growth: 48 }), /takes more than 48 MiB of memory/);
  const absent = start.call(undefined);
  absent.close();
  await absent.coming;
  assert.equal(absent.isReady(), false);
});

test("what other threads of the process spend is not counted as a thread's own", async (t) => {
  const { here, serve } = await import("./spender.js");
  const module = { here, serve };
  const thread = startThread<string, Spend, string>({ module, data: "hello", mebibytes: 64 }, (why) => new Error(why));
  await thread.coming;
  t.mock.method(process, "cpuUsage", () => ({ user: 1e12, system: 0 }));
  assert.equal(await thread.ask({ wait: 150 }, { limit: 20_000 }), "hello at last");
  await assert.rejects(thread.ask({ wait: 20_000 }, { limit: 100 }), ThreadLost);
});
