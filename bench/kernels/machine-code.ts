/** Lines of machine code up to the next label. */
interface Block {
  readonly name: string;
  readonly lines: string[];
}

const blocksOf = (code: string): Block[] => {
  const blocks: Block[] = [];
  for (const line of code.split("\n")) {
    if (line.startsWith("***")) break;
    const [, name] = line.match(/^\s*(BB\d+):?\s*$/) ?? [];
    if (name !== undefined) blocks.push({ name, lines: [] });
    else blocks.at(-1)?.lines.push(line);
  }
  return blocks;
};

/** The blocks of loops that no other loop holds: from where a branch goes back to, up to that branch. */
const outermostLoops = (blocks: readonly Block[]): Block[][] => {
  const at = new Map(blocks.map(({ name }, i) => [name, i]));
  const spans = blocks.flatMap(({ lines }, to) =>
    lines.flatMap((line) => {
      const [, name] = line.match(/^\s*s_c?branch\S*\s+(BB\d+)/) ?? [];
      const from = at.get(name ?? "");
      return from !== undefined && from <= to ? [{ from, to }] : [];
    }),
  );
  const held = (one: (typeof spans)[number]) =>
    spans.some(({ from, to }) => from <= one.from && one.to <= to && to - from > one.to - one.from);
  const joined = new Map(spans.filter((one) => !held(one)).map(({ from, to }) => [from, to]));
  return [...joined].map(([from, to]) => blocks.slice(from, to + 1));
};

/** Of the multiply-adds in loops, a loop must have so many to be one that the kernel is there for. */
const MAIN = 0.25;

/**
 * Multiply-adds of all vector instructions of a kernel's main loops, the least share of any, from RADV's disassembly (RADV_DEBUG
 * with shaders; AMD's names); undefined where there is none, or none of its loops multiplies. Main loops are the outermost
 * that hold a quarter of the multiply-adds in loops at least. Loops inside count once a turn, whatever fills workgroup memory too,
 * though those that multiply run more often. Instructions that do two things are two.
 */
export const multiplyAddShare = (text: string): number | undefined => {
  const at = text.lastIndexOf("\ndisasm:");
  if (at < 0) return undefined;
  const loops = outermostLoops(blocksOf(text.slice(at))).map((blocks) => {
    const vector = blocks.flatMap(({ lines }) => lines.flatMap((line) => line.match(/\bv_[a-z0-9_]+/g) ?? []));
    const added = vector.filter((name) => /^v_(dual_)?(pk_)?fma/.test(name));
    return { vector: vector.length, added: added.length };
  });
  const all = loops.reduce((n, { added }) => n + added, 0);
  if (all === 0) return undefined;
  const main = loops.filter(({ added }) => added >= MAIN * all);
  return Math.min(...main.map(({ vector, added }) => added / vector));
};
