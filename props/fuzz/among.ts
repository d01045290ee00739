/** The command line for call after call of the campaign, in one process. */
import { inside } from "../cli/inside.js";
import type { Took } from "./attempt.js";

/** A call to run, in a folder. */
export interface Call {
  readonly args: readonly string[];
  readonly place: string;
}

process.on("message", async ({ args, place }: Call) => {
  process.chdir(place);
  const before = process.cpuUsage();
  const ended = await inside(args);
  const { user, system } = process.cpuUsage(before);
  const { maxRSS } = process.resourceUsage();
  process.send?.({ ...ended, seconds: (user + system) / 1e6, mebibytes: maxRSS / 1024 } satisfies Took);
});
