/** Bytes on their way to a rank, or the room for those that come from it. */
export interface Message {
  readonly peer: number;
  readonly bytes: Uint8Array;
}

/** Messages that are on their way. Exchanges of a rank are ended in the order in which they were begun. */
export interface Exchange {
  /** Sees to it that they go on, and waits for nothing: have all come? */
  readonly look: () => boolean;
  /** Waits until they have. */
  readonly end: () => Promise<void>;
}

/** A rank that has ended, or is not heard of. */
export class WorkersError extends Error {
  override readonly name = "WorkersError";
  /** Is the rank that it is about still there, to save what it holds? */
  readonly isThere: boolean;
  constructor(message: string, isThere: boolean) {
    super(message);
    this.isThere = isThere;
  }
}

/** The processes that train one model together, as one of them sees them. */
export interface Workers {
  /** From 0. */
  readonly rank: number;
  readonly size: number;
  /**
   * Begins to send to other ranks and to take from them, all at once; the bytes stay as they are until it has ended. Messages between
   * two ranks pair up in their order, and have one length. `what` stands in errors. Errors, then and at the end: WorkersError where
   * a rank has failed, or is not heard of in time; once one was thrown, what is exchanged meets only what others exchange after theirs.
   */
  readonly begin: (what: string, send: readonly Message[], receive: readonly Message[]) => Exchange;
  /** Only the memory of this rank is looked at: there are no others, nothing is sent, and no number counts. */
  readonly isPlanned?: true;
  /** Tells all others that this rank has failed, and why; `isThere`: will it answer when they save? */
  readonly fail: (reason: string, isThere: boolean) => void;
}

/** One process. */
export const ALONE: Workers = {
  ...{ rank: 0, size: 1, fail: () => {} },
  begin: () => ({ look: () => true, end: async () => {} }),
};

/** A rank of several whose memory is planned. */
export const plannedRank = (rank: number, size: number): Workers => ({ ...ALONE, rank, size, isPlanned: true });

export const others = ({ rank, size }: Workers): number[] =>
  // Begins after its own rank, so that not all speak to one at a time.
  Array.from({ length: size - 1 }, (_, i) => (rank + 1 + i) % size);

export const bytesOf = (data: ArrayBufferView): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** Sends and takes, and waits. Errors: as `begin`. */
export const exchange = async (
  workers: Workers,
  what: string,
  send: readonly Message[],
  receive: readonly Message[],
): Promise<void> => workers.begin(what, send, receive).end();

/** Numbers of every rank, by rank; each gives as many. */
export const gathered = async (workers: Workers, what: string, own: readonly number[]): Promise<Float64Array[]> => {
  const all = Array.from({ length: workers.size }, () => new Float64Array(own.length));
  all[workers.rank].set(own);
  const send = others(workers).map((peer) => ({ peer, bytes: bytesOf(all[workers.rank]) }));
  await exchange(
    workers,
    what,
    send,
    others(workers).map((peer) => ({ peer, bytes: bytesOf(all[peer]) })),
  );
  return all;
};

/** Sums over ranks, number by number, in the order of ranks: the same bits on all. */
export const summed = async (workers: Workers, what: string, own: ArrayLike<number>): Promise<Float64Array> => {
  const all = await gathered(workers, what, Array.from(own));
  return all[0].map((_, i) => all.reduce((sum, numbers) => sum + numbers[i], 0));
};

/** A text of every rank, by rank. */
export const texts = async (workers: Workers, what: string, own: string): Promise<string[]> => {
  const bytes = new TextEncoder().encode(own);
  const sizes = (await gathered(workers, what, [bytes.length])).map(([size]) => size);
  const room = sizes.map((size) => new Uint8Array(size));
  const meant = others(workers);
  await exchange(
    workers,
    what,
    meant.map((peer) => ({ peer, bytes })),
    meant.map((peer) => ({ peer, bytes: room[peer] })),
  );
  return room.map((text, rank) => (rank === workers.rank ? own : new TextDecoder().decode(text)));
};

/** What rank 0 says, on all ranks: plain data. */
export const fromFirst = async <T>(workers: Workers, what: string, own: T | undefined): Promise<T> => {
  if (workers.size === 1) return own as T;
  const [said] = await texts(workers, what, workers.rank === 0 ? JSON.stringify(own) : "");
  return JSON.parse(said) as T;
};

/** Does any rank say yes? */
export const anyOf = async (workers: Workers, what: string, own: boolean): Promise<boolean> =>
  workers.size === 1 ? own : (await gathered(workers, what, [Number(own)])).some(([said]) => said === 1);
