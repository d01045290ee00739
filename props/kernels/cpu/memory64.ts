/**
 * 64-bit addresses for laws, on engines that have them behind a flag, in the spelling of an earlier proposal: Node 20 and 22, up
 * to 4 GiB. Import it before a device is opened; where it can do nothing, `lacksMemory64` says why.
 */
import { setFlagsFromString } from "node:v8";

interface Limits {
  readonly initial: number | bigint;
  readonly maximum: number | bigint;
  readonly shared: boolean;
  readonly address?: "i64";
}
interface Memory {
  grow: (pages: number | bigint) => number | bigint;
}
const host = (globalThis as unknown as { WebAssembly: { Memory: new (limits: object) => Memory } }).WebAssembly;

const failureOf = (): string | undefined => {
  try {
    new host.Memory({ initial: 0n, maximum: 1n, shared: true, address: "i64" }).grow(1n);
    return undefined;
  } catch (error) {
    return String(error);
  }
};

const translate = (): void => {
  setFlagsFromString("--experimental-wasm-memory64");
  const { Memory } = host;
  /** The constructor, which may return another object than `this`. */
  function Translated({ initial, maximum, shared, address }: Limits): Memory {
    if (address === undefined) return new Memory({ initial, maximum, shared });
    const memory = new Memory({ initial: Number(initial), maximum: Number(maximum), shared, index: "i64" });
    memory.grow = (pages) => Memory.prototype.grow.call(memory, Number(pages));
    return memory;
  }
  host.Memory = Translated as unknown as typeof Memory;
};

if (failureOf() !== undefined) translate();
const failure = failureOf();

/** A reason to skip laws, or false. */
export const lacksMemory64: string | false =
  failure !== undefined && `this engine has no memory with 64-bit addresses (Node ≥ 24 has): ${failure}`;
