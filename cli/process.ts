import { isSystemError, systemWords } from "../models/files/writing/system-error.js";
import { toldFailure } from "./fail.js";
import type { CommandName } from "./options.js";

/** Commands that leave files: without a reader they go on to their end. The others have done their work where nobody reads on. */
const GOES_ON: ReadonlySet<string | undefined> = new Set<CommandName>([
  ...(["sft", "dpo", "kto", "merge", "export", "demo", "lab", "tune"] as const),
]);

/**
 * What may befall any command from outside. Without standard error (a closed pipe, a full disk, a terminal that is gone) it goes
 * on in silence. A reader of standard output that has seen enough (`| head`) is no error: it ends a command whose product goes
 * there, and no other. SIGUSR1 opens no debugger's port. What nothing else has caught ends as other errors do. Once a process.
 */
export const guardProcess = (command: string | undefined): void => {
  const isProduct = !GOES_ON.has(command);
  const fail = (error: unknown): never => process.exit(toldFailure(error));
  process.stderr.on("error", () => {});
  let lost = false;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (isProduct && error.code === "EPIPE") process.exit(0);
    if (lost || error.code === "EPIPE") return;
    lost = true;
    const why = isSystemError(error) ? systemWords(error) : error.message;
    process.stderr.write(`taugrad: standard output: ${why}\n`);
    if (isProduct) process.exit(2);
  });
  process.on("SIGUSR1", () => {});
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
};
