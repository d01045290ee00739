import { namedLeaves, read, type Tree } from "../../../core/index.js";
import { type StoredDtype, safetensorsHeader } from "../../../models/files/safetensors-write.js";
import { beginFile } from "../../../models/files/writing/atomic.js";
import { type Pending, together } from "../../../models/folders/files.js";
import { inTurn, ready } from "../../../models/folders/work.js";
import { asStored, saveTree, storedAs } from "../state-file.js";
import { bytesOf, exchange, texts, type Workers } from "./workers.js";

/** A leaf as the file has it. */
interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: StoredDtype;
}

const BYTES: Readonly<Partial<Record<StoredDtype, number>>> = { F64: 8, F32: 4, I32: 4, U32: 4, BF16: 2, F16: 2 };
const sizeOf = ({ shape, dtype }: Entry): number => shape.reduce((n, x) => n * x, BYTES[dtype] as number);

/**
 * `saveTree` of what several workers hold, each a part of it: rank 0 writes, leaf by leaf, what it has and what others send. All of
 * them call it. Law: the file is the one that a single process would have written.
 */
export const saveShared = async (path: string, tree: Tree, workers: Workers): Promise<void> => {
  if (workers.size === 1) return saveTree(path, tree);
  const own = new Map(namedLeaves(tree));
  const mine = [...own].map(([name, leaf]): Entry => ({ name, shape: leaf.shape, dtype: storedAs(leaf) }));
  const said = await texts(workers, "what it remembers", JSON.stringify(mine));
  const holders = new Map<string, { readonly entry: Entry; readonly rank: number }>();
  for (const [rank, text] of said.entries())
    for (const entry of JSON.parse(text) as Entry[])
      if (!holders.has(entry.name)) holders.set(entry.name, { entry, rank });
  const all = [...holders.values()].sort((a, b) => (a.entry.name < b.entry.name ? -1 : 1));
  const bytes = async (name: string): Promise<Uint8Array> => {
    const leaf = own.get(name);
    if (leaf === undefined) throw new Error(`this rank holds no "${name}"`);
    return bytesOf(asStored(await read(leaf), leaf.dtype));
  };
  if (workers.rank !== 0) {
    for (const { entry, rank } of all)
      if (rank === workers.rank)
        await exchange(workers, "what it remembers", [{ peer: 0, bytes: await bytes(entry.name) }], []);
    return;
  }
  const header = safetensorsHeader(
    path,
    all.map(({ entry }) => entry),
    { format: "taugrad" },
  );
  const received = async (entry: Entry, rank: number): Promise<Uint8Array> => {
    const room = new Uint8Array(sizeOf(entry));
    await exchange(workers, "what it remembers", [], [{ peer: rank, bytes: room }]);
    return room;
  };
  const file: Pending = {
    begin: () => beginFile(path),
    *write(put) {
      yield* put(header);
      for (const { entry, rank } of all)
        yield* put(yield* ready(rank === 0 ? bytes(entry.name) : received(entry, rank)));
    },
  };
  await inTurn(together([file]));
};
