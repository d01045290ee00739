import { isSystemError, systemWords } from "../models/files/system-error.js";

/**
 * What may befall any command from outside. Without standard error (a closed pipe, a full disk, a terminal that is gone) it goes
 * on in silence. A reader of standard output that has seen enough (`| head`) is no error: it ends a command whose product goes
 * there (`isProduct`), and no other. SIGUSR1 opens no debugger's port. `fail` hears what nothing else has caught, and ends the
 * process.
 */
export const guardProcess = (isProduct: boolean, fail: (error: unknown) => void): void => {
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
