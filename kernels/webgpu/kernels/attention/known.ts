import type { Builder } from "../../wgsl/module.js";

/** Atomics of a workgroup, once all invocations have told them what they know. */
export interface Known {
  /** Lines that all invocations come to. */
  readonly lines: readonly string[];
  /** What an atomic was then, the same for all, as text: to be evaluated where all invocations are. */
  readonly of: (name: string) => string;
}

/** `workgroupUniformLoad` of an atomic itself is younger than WebGPU: Chromium 133 refuses it, so it is a copy that is loaded. */
export const knownOf = (k: Builder, names: readonly string[]): Known => {
  for (const name of names) k.declare(`var<workgroup> ${name}_known: u32;`);
  const copies = names.map((name) => `${name}_known = atomicLoad(&${name});`);
  return {
    lines: ["workgroupBarrier();", `if (lane == 0u) { ${copies.join(" ")} }`],
    of: (name) => `workgroupUniformLoad(&${name}_known)`,
  };
};
