/** The lab's exam, on models that are not trained: fair to all, and not brought down by one that diverged. */
import assert from "node:assert/strict";
import { dispose, evaluate, mul, treeMap } from "../../core/index.js";
import { divergenceOf } from "../../lab/world/divergence.js";
import { examiner } from "../../lab/world/exam.js";
import { freshParams } from "../../lab/world/model.js";
import { KINDS } from "../../lab/world/skills.js";
import { heldOutPairs } from "../../lab/world/stages.js";
import { check } from "../law.js";

check(
  "lab: an untrained model knows nothing, and one that diverged says nothing",
  async (device) => {
    const examine = examiner(device);
    const exam = { seed: 0, split: "test", perKind: 1 } as const;
    const fresh = freshParams(0, device);
    const broken = evaluate(
      treeMap((t) => mul(t, Number.NaN), fresh),
      device,
    );
    const before = await examine(fresh, exam);
    const after = await examine(broken, exam);
    for (const kind of KINDS) assert.deepEqual([before.right[kind], after.right[kind]], [0, 0]);
    assert.ok(before.length > 0 && after.length === 0 && after.style === 0);
    assert.deepEqual(await examine(fresh, exam), before);
    dispose(fresh, broken);
  },
  ["cpu"],
);

check(
  "lab: divergence is 0 from itself, else positive, and not symmetric",
  async (device) => {
    const divergence = divergenceOf(device);
    const [a, b] = [freshParams(0, device), freshParams(1, device)];
    const batches = heldOutPairs(0, "test", 2);
    const [aa, ab, ba] = [
      await divergence(a, a, batches),
      await divergence(a, b, batches),
      await divergence(b, a, batches),
    ];
    assert.ok(Math.abs(aa) < 1e-6 && ab > 1e-3 && ba > 1e-3 && Math.abs(ab - ba) > 1e-6, `${aa}, ${ab}, ${ba}`);
    dispose(a, b);
  },
  ["cpu"],
);
