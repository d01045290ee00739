import { type Message, type Workers, WorkersError } from "../../align/training/workers/workers.js";

/** What ranks of one process have sent each other, and who has failed. */
interface Post {
  readonly queues: Map<string, Uint8Array[]>;
  readonly waiting: Set<() => void>;
  failure: { readonly rank: number; readonly reason: string; readonly isThere: boolean } | undefined;
  bytes: number;
}

const member = (rank: number, size: number, post: Post): Workers => {
  /** Once a failure is known, what was sent before it counts no more. */
  let lane = 0;
  const queue = (from: number, to: number): Uint8Array[] => {
    const key = `${lane}: ${from} → ${to}`;
    const known = post.queues.get(key) ?? [];
    post.queues.set(key, known);
    return known;
  };
  const wake = (): void => {
    for (const one of [...post.waiting]) one();
    post.waiting.clear();
  };
  const heard = (): void => {
    if (post.failure === undefined || lane === 1) return;
    lane = 1;
    const { rank: who, reason, isThere } = post.failure;
    throw new WorkersError(`rank ${who}: ${reason}`, isThere);
  };
  const next = async (peer: number): Promise<Uint8Array> => {
    for (;;) {
      heard();
      const found = queue(peer, rank).shift();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => post.waiting.add(resolve));
    }
  };
  return {
    ...{ rank, size },
    begin: (what, send: readonly Message[], receive: readonly Message[]) => {
      heard();
      for (const { peer, bytes } of send) {
        queue(rank, peer).push(bytes.slice());
        post.bytes += bytes.byteLength;
      }
      wake();
      return {
        // Asked of the oldest alone.
        look: () =>
          receive.every(({ peer }) => queue(peer, rank).length >= receive.filter((m) => m.peer === peer).length),
        end: async () => {
          for (const { peer, bytes } of receive) {
            const came = await next(peer);
            if (came.byteLength !== bytes.byteLength)
              throw new Error(`${what}: ${came.byteLength} bytes from rank ${peer}, ${bytes.byteLength} were awaited`);
            bytes.set(came);
          }
        },
      };
    },
    fail: (reason, isThere) => {
      post.failure ??= { rank, reason, isThere };
      lane = 1;
      wake();
    },
  };
};

/** Ranks within this process, one a task, and what they have sent so far. */
export const simulatedWorkers = (size: number): { readonly ranks: Workers[]; readonly sent: () => number } => {
  const post: Post = { queues: new Map(), waiting: new Set(), failure: undefined, bytes: 0 };
  return { ranks: Array.from({ length: size }, (_, rank) => member(rank, size, post)), sent: () => post.bytes };
};
