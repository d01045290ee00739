import { type Message, others, type Workers, WorkersError } from "../../align/training/workers/workers.js";
import type { Mpi } from "./library.js";

/** What is known of ranks beside what they say; may change. */
export interface Known {
  /** Seconds after which a rank that is not heard of has failed. */
  timeout: number;
  /** A rank that has ended, by what can be seen from here. */
  gone: () => number | undefined;
  /** A rank as errors name it. */
  name: (rank: number) => string;
}

/** Workers of MPI, and their end. */
export interface MpiWorkers extends Workers {
  /** Waits for all others to come to theirs, and ends MPI; not where one has failed. Keeps the thread. */
  readonly end: () => void;
}

/** Tags: messages, those after a failure, and word of one. */
const [TAG, AFTER, FAILED] = [1, 2, 3];
/** Most bytes of a message, whose count is a C int; longer ones go in parts. */
const MOST = 2 ** 28;
/** Bytes of a rank's last word: what became of it, and why. */
const WORD = 1024;
const [THERE, GONE, DONE] = [1, 2, 3];
/** Milliseconds of looking without rest, and of a rest between looks after that; how often failures are looked for. */
const [HOT, REST, ROUND] = [0.3, 0.1, 20];

const parts = (messages: readonly Message[]): Message[] =>
  messages.flatMap(({ peer, bytes }) =>
    Array.from({ length: Math.ceil(bytes.byteLength / MOST) }, (_, i) => ({
      peer,
      bytes: bytes.subarray(i * MOST, (i + 1) * MOST),
    })),
  );

const outside = (bytes: number): Uint8Array => new Uint8Array(new ArrayBuffer(bytes));
const nap = new Int32Array(new SharedArrayBuffer(4));

/**
 * Workers that send each other messages of MPI. All calls are of the main thread, and none waits: it looks, rests and looks again,
 * so that a rank that has failed, ended or fallen silent is noticed, by its name.
 */
export const mpiWorkers = (mpi: Mpi, known: Known): MpiWorkers => {
  const { rank, size } = mpi;
  const peers = others({ rank, size } as Workers);
  const { requestBytes } = mpi.abi;
  let lane = TAG;
  // The last word of each.
  const words = peers.map((peer) => ({ peer, bytes: outside(WORD), isHere: false }));
  const wordRequests = outside(2 * peers.length * requestBytes);
  for (const [i, { peer, bytes }] of words.entries()) mpi.receive(bytes, peer, FAILED, wordRequests, i);
  let told: Uint8Array | undefined;

  /** Where MPI may still read or write; what was given up stays so. */
  const underWay = new Set<unknown>();

  const tell = (what: number, reason: string): void => {
    if (told !== undefined) return;
    told = outside(WORD);
    told[0] = what;
    new TextEncoder().encodeInto(reason, told.subarray(1));
    for (const [i, peer] of peers.entries()) mpi.send(told, peer, FAILED, wordRequests, peers.length + i);
  };
  const fallen = (message: string, isThere: boolean): WorkersError => {
    lane = AFTER;
    return new WorkersError(message, isThere);
  };
  /** Throws for what has been heard of others. */
  const listen = (): void => {
    for (const [i, word] of words.entries()) {
      if (word.isHere || !mpi.ended(wordRequests, i)) continue;
      word.isHere = true;
      if (word.bytes[0] === DONE) continue;
      const reason = new TextDecoder().decode(word.bytes.subarray(1)).replaceAll("\0", "");
      // Once in the second lane, who answers still is known.
      if (lane === TAG || word.bytes[0] === GONE)
        throw fallen(`${known.name(word.peer)}: ${reason}`, word.bytes[0] === THERE);
    }
    const ended = known.gone();
    if (ended !== undefined) throw fallen(`${known.name(ended)} has ended`, false);
  };

  return {
    ...{ rank, size },
    begin: (what, send, receive) => {
      const [out, into] = [parts(send), parts(receive)];
      const requests = outside((out.length + into.length) * requestBytes);
      const open = { requests, out, into };
      underWay.add(open);
      for (const [i, { peer, bytes }] of into.entries()) mpi.receive(bytes, peer, lane, requests, i);
      for (const [i, { peer, bytes }] of out.entries()) mpi.send(bytes, peer, lane, requests, into.length + i);
      let isOver = false;
      const look = (): boolean => {
        if (isOver || !mpi.allEnded(requests, out.length + into.length)) return isOver;
        underWay.delete(open);
        isOver = true;
        return true;
      };
      const end = async (): Promise<void> => {
        const began = performance.now();
        let [looked, turned] = [began, began];
        while (!look()) {
          const now = performance.now();
          if (now - began < HOT) continue;
          Atomics.wait(nap, 0, 0, REST);
          if (now - turned > REST * 10) {
            turned = now;
            await new Promise(setImmediate); // signals, and whatever else waits
          }
          if (now - looked < ROUND) continue;
          looked = now;
          listen();
          if (now - began < known.timeout * 1000) continue;
          const silent = [...into.entries()].filter(([i]) => !mpi.ended(requests, i)).map(([, { peer }]) => peer);
          const who = [...new Set(silent.length > 0 ? silent : out.map(({ peer }) => peer))].map(known.name).join(", ");
          throw fallen(`${who}: not heard of for ${known.timeout} s (${what})`, false);
        }
      };
      return { look, end };
    },
    fail: (reason, isThere) => {
      tell(isThere ? THERE : GONE, reason);
      lane = AFTER;
    },
    end: () => {
      if (lane !== TAG) return;
      tell(DONE, "");
      const until = performance.now() + known.timeout * 1000;
      while (performance.now() < until) {
        for (const [i, word] of words.entries()) word.isHere ||= mpi.ended(wordRequests, i);
        if (words.some(({ isHere, bytes }) => isHere && bytes[0] !== DONE) || known.gone() !== undefined) return;
        if (words.every(({ isHere }) => isHere)) return mpi.finalize();
        Atomics.wait(nap, 0, 0, 1);
      }
    },
  };
};
