/** The full run over spoiled files: started by run.mjs, which says how. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Run, survive } from "./ends.js";
import { targets } from "./targets.js";

const [cli, count = "2000", seed = "1", only = ""] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "taugrad-fuzz-"));

/** Tells at its end what the process took. */
const witness = join(folder, "witness.mjs");
writeFileSync(
  witness,
  `import { writeFileSync } from "node:fs";
process.on("exit", () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  const took = { mebibytes: maxRSS / 1024, seconds: (userCPUTime + systemCPUTime) / 1e6 };
  writeFileSync(process.env.FUZZ_WITNESS, JSON.stringify(took));
});`,
);

/** Runs the command line as a user does; killed after a minute. */
const outside: Run = (args, place) =>
  new Promise((resolve, reject) => {
    const told = join(place, "witness.json");
    const child = spawn(process.execPath, ["--import", witness, cli, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NODE_OPTIONS: "", FUZZ_WITNESS: told },
      timeout: 60_000,
      killSignal: "SIGKILL",
    });
    const said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const)
      child[stream].setEncoding("utf8").on("data", (text: string) => {
        said[stream] += text;
      });
    child.on("error", reject).on("close", (code) => {
      const took = existsSync(told) ? JSON.parse(readFileSync(told, "utf8")) : { seconds: 60 };
      resolve({ code, ...said, ...took });
    });
  });

const chosen = targets.filter(({ name }) => name.includes(only));
const [most, endings] = [{ seconds: 0, mebibytes: 0, slowest: "" }, new Map<string, number>()];
let [next, failed] = [0, 0];
const worker = async (place: string): Promise<void> => {
  for (let i = next++; i < Number(count); i = next++) {
    const target = chosen[i % chosen.length];
    let ending = "FAILED";
    try {
      const { code, seconds, mebibytes = 0 } = await survive(target, Number(seed) * 1_000_003 + i, place, outside);
      if (seconds > most.seconds) Object.assign(most, { seconds, slowest: `${target.name}, number ${i}` });
      most.mebibytes = Math.max(most.mebibytes, mebibytes);
      ending = code === 0 ? "runs" : "is refused";
    } catch (error) {
      failed++;
      console.error(`${error instanceof Error ? error.message : String(error)}\n`);
    }
    endings.set(`${target.name} ${ending}`, (endings.get(`${target.name} ${ending}`) ?? 0) + 1);
  }
};
await Promise.all([worker(join(folder, "a")), worker(join(folder, "b"))]);
rmSync(folder, { recursive: true, force: true });
for (const [ending, times] of [...endings].sort()) console.log(`${ending}: ${times}`);
console.log(
  `at most ${most.seconds.toFixed(1)} s of processor time (${most.slowest}) and ${most.mebibytes.toFixed(0)} MiB`,
);
console.log(`${Number(count) - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
