import { type DType, type HostData, namedLeaves, read, type Tree, tensor, treeMap } from "../../core/index.js";

/** A tensor's numbers. */
interface Numbers {
  readonly data: HostData;
  readonly shape: readonly number[];
  readonly dtype: DType;
}
/** The leaves of a tree, by name: what a browser's database takes. */
export type Numbered = Readonly<Record<string, Numbers>>;

export const numbered = async (tree: Tree): Promise<Numbered> => {
  const entries = namedLeaves(tree).map(async ([name, leaf]): Promise<[string, Numbers]> => {
    const { shape, dtype } = leaf;
    return [name, { data: await read(leaf), shape, dtype }];
  });
  return Object.fromEntries(await Promise.all(entries));
};

/** A tree like another one, of such numbers; its leaves' names begin with `under`. */
export const treeOf = <T extends Tree>(like: T, numbers: Numbered, under = ""): T =>
  treeMap((_, name) => {
    const { data, shape, dtype } = numbers[under + name];
    return tensor(data, shape, dtype);
  }, like);
