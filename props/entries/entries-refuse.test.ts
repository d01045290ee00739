/** Every public function of every entry, given what is no argument of its: a refusal by its own name, never an error of the language. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as align from "../../align/index.js";
import * as devices from "../../kernels/index.js";
import * as library from "../../library/index.js";
import * as models from "../../models/index.js";
import * as optim from "../../optim/index.js";
import * as testing from "../../testing/index.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-entries-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const closed = await devices.openReference();
await closed.close();

/** Functions that take all of these for what they are: adapters are looked for, fast-check is asked, an option is named by its key. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["open", "openCpu", "openReference", "openWebgpu", "doctor", "describeAdapters", "tuneWebgpu", "plannerFor"].map(
      (name) => [name, "looks for what the machine has"],
    ),
  ),
  ...Object.fromEntries(
    ["runs", "vectors", "masksOver", "trees", "randomGraphs", "shapes", "tensors"].map((name) => [
      name,
      "fast-check says",
    ]),
  ),
  var: "is called variance",
  print: "prints what it is given",
  schedule: "names the schedule",
  prepareUpload: "is about push_to_hub",
  ownRule: "says where it is from",
  optimizerPath: "is called path in testing/",
  callOf: "is what errors call others by",
};

/** What it is given: nothing, an array of no kind, text that names no file, a device that is closed. */
const odd = [undefined, [1, [2]], join(folder, "nothing-there"), closed];
const KINDS = ["ShapeError", "OwnershipError", "InputError", "DeviceError"];

/** What is wrong with how a call ended. */
const faultOf = async (name: string, call: () => unknown, args: readonly unknown[]): Promise<string | undefined> => {
  try {
    const given = (await call()) as { next?: () => unknown } | undefined;
    await given?.next?.();
    return undefined;
  } catch (error) {
    const { name: kind, message, code } = error as Error & { readonly code?: string };
    // What a file of that name lacks is told by its name, perhaps by the system.
    if (args[0] === odd[2] && (KINDS.includes(kind) || code === "ENOENT") && message.includes("nothing-there")) return;
    return KINDS.includes(kind) && message.includes(name) ? undefined : `${kind}: ${message.split("\n")[0]}`;
  }
};

for (const [entry, all] of Object.entries({ library, optim, models, align, devices, testing }))
  test(`${entry}: undefined, an array, a text and a closed device are refused by the function's own name`, async () => {
    const faults: string[] = [];
    let asked = 0;
    for (const [name, f] of Object.entries(all as Readonly<Record<string, unknown>>)) {
      if (typeof f !== "function" || /^[A-Z]/.test(name) || Object.hasOwn(ELSEWHERE, name)) continue;
      asked++;
      for (const first of odd)
        for (const second of odd) {
          const fault = await faultOf(name, () => (f as (...x: unknown[]) => unknown)(first, second), [first, second]);
          if (fault !== undefined) faults.push(`${name}(${odd.indexOf(first)}, ${odd.indexOf(second)}): ${fault}`);
        }
    }
    assert.ok(asked > 0);
    assert.deepEqual(faults, []);
  });
