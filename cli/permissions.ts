/** The part of Deno that asks for permissions; there is none elsewhere. */
interface Deno {
  readonly permissions: {
    readonly querySync: (of: { readonly name: string }) => { readonly state: string };
    readonly requestSync: (of: { readonly name: string }) => { readonly state: string };
  };
}

/** What commands cannot do without, by Deno's names, and what for. */
const NEEDED: readonly (readonly [name: string, reason: string])[] = [
  ["env", "TAUGRAD_THREADS, TAUGRAD_BITS, DEBUG and the drivers' variables are read"],
  ["read", "models, data and configurations are read"],
  ["write", "models and checkpoints are written"],
  ["sys", "memory, cores and the names of user and machine decide what fits, and who holds a folder"],
];

/**
 * Asks for Deno's permissions, with reasons, before a command starts; where nobody can answer, or says no, a line tells which
 * flags are missing. Returns that line; undefined where all is allowed, as it is in every other runtime.
 */
export const missingPermissions = (
  tell: (line: string) => void,
  deno = (globalThis as unknown as { Deno?: Deno }).Deno,
): string | undefined => {
  if (deno === undefined) return undefined;
  const missing = NEEDED.filter(([name, reason]) => {
    if (deno.permissions.querySync({ name }).state === "granted") return false;
    tell(`taugrad asks for --allow-${name}: ${reason}`);
    return deno.permissions.requestSync({ name }).state !== "granted";
  });
  if (missing.length === 0) return undefined;
  const flags = missing.map(([name]) => `--allow-${name}`).join(" ");
  return `Deno does not allow what commands need: run it with ${flags}, and --allow-ffi for device webgpu`;
};
