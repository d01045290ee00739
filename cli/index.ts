#!/usr/bin/env node
import { missingPermissions } from "./permissions.js";

const run = async (): Promise<number> => {
  const forbidden = missingPermissions((line) => process.stderr.write(`${line}\n`));
  if (forbidden !== undefined) {
    process.stderr.write(`taugrad: ${forbidden}\n`);
    return 2;
  }
  const [{ main }, { guardProcess }] = await Promise.all([import("./main.js"), import("./process.js")]);
  guardProcess(process.argv[2]);
  return main(process.argv.slice(2));
};

// What cannot even be loaded (too many open files) has no command that would tell.
process.exitCode = await run().catch((error: NodeJS.ErrnoException): number => {
  if (error.syscall === undefined) throw error;
  process.stderr.write(`taugrad: cannot be loaded (${error.message})\n`);
  return 2;
});
