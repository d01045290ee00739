/** The command line within the test's process, for the many calls that a process each would take a tenth of a second for. */
import { join } from "node:path";
import { main } from "../../cli/main.js";
import { projectRoot } from "../golden/files.js";

/** The built binary. */
const cli = join(projectRoot, "dist", "cli.js");

/** What a process of it is started with: this process's engine flags, which keep V8 from optimizing what runs once. */
export const command = [...process.execArgv, cli];

/** How a call ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let last: Promise<unknown> = Promise.resolve();

/** Runs `taugrad …args` in this process; calls wait for each other, since what is printed is this process's. */
export const inside = (args: readonly string[]): Promise<Ended> => {
  const run = last.then(() => call(args));
  last = run.catch(() => undefined);
  return run;
};

const call = async (args: readonly string[]): Promise<Ended> => {
  const said = { stdout: "", stderr: "" };
  const [, started] = process.argv;
  process.argv[1] = cli; // what workers are started from: the test's file would run all of its tests in each
  const restores = (["stdout", "stderr"] as const).map((name) => {
    const write = process[name].write.bind(process[name]) as (chunk: string | Uint8Array) => boolean;
    // The command line writes text; bytes are what node's test runner tells its parent.
    process[name].write = (chunk: string | Uint8Array) => {
      if (typeof chunk !== "string") return write(chunk);
      said[name] += chunk;
      return true;
    };
    const heard = process[name].listeners("error");
    return () => {
      process[name].write = write as typeof process.stdout.write;
      // A process listens once; so many calls would end in a warning.
      for (const listener of process[name].listeners("error"))
        if (!heard.includes(listener)) process[name].off("error", listener as () => void);
    };
  });
  try {
    return { code: await main(args), ...said };
  } finally {
    process.argv[1] = started;
    for (const restore of restores) restore();
  }
};
