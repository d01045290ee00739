import { type Addressing, MAX_PAGES } from "./host.js";
import { unsignedLeb } from "./leb.js";

/** Pieces of the binary format (specification, chapter 5). */

type Bytes = readonly number[];

export const concat = (parts: readonly Bytes[]): number[] => ([] as number[]).concat(...parts);

export const unsigned = (n: number): number[] => {
  const out: number[] = [];
  unsignedLeb(n, out);
  return out;
};

export const vector = (items: readonly Bytes[]): number[] => concat([unsigned(items.length), ...items]);
export const sized = (bytes: Bytes): number[] => concat([unsigned(bytes.length), bytes]);
export const section = (id: number, content: Bytes): number[] => concat([[id], sized(content)]);
export const text = (name: string): number[] => sized([...new TextEncoder().encode(name)]);

const LIMITS = { maximum: 0x01, shared: 0x02, wide: 0x04 } as const;

/** The import of `env.memory`. */
export const memoryImport = ({ isWide, isShared, pages = MAX_PAGES }: Addressing): number[] => {
  const limits = LIMITS.maximum | (isShared ? LIMITS.shared : 0) | (isWide ? LIMITS.wide : 0);
  return concat([text("env"), text("memory"), [0x02, limits, 0x00], unsigned(pages)]);
};
