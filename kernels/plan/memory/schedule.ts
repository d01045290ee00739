import type { Kin } from "../batch.js";

/** Something to order: what it needs first, and where it stood in the program as written. */
export interface Task<T> {
  readonly value: T;
  readonly needs: readonly number[];
  readonly key: number;
  /** Values that it reads and writes, by number: what is read for the last time makes room. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Those that it may write over if it comes last of their readers. */
  readonly over: readonly number[];
  /** Ready tasks of one kin may run together. */
  readonly kin?: Kin;
}

/**
 * Most bytes that bringing small or large tasks together may keep alive: outputs that came early, and as much of inputs that wait.
 * Of large ones a kin may write as much as its largest does alone.
 */
const MOST_BYTES = { small: 2 ** 20, large: 2 ** 26 } as const;

/** Least first. */
const createHeap = (key: (item: number) => number) => {
  const heap: number[] = [];
  const before = (i: number, j: number) => key(heap[i]) < key(heap[j]);
  const swap = (i: number, j: number) => {
    [heap[i], heap[j]] = [heap[j], heap[i]];
  };
  return {
    push: (item: number) => {
      let at = heap.push(item) - 1;
      for (let up = (at - 1) >> 1; at > 0 && before(at, up); at = up, up = (at - 1) >> 1) swap(at, up);
    },
    pop: (): number | undefined => {
      if (heap.length === 0) return undefined;
      swap(0, heap.length - 1);
      const top = heap.pop() as number;
      for (let at = 0; ; ) {
        const [left, right] = [2 * at + 1, 2 * at + 2];
        let least = at;
        if (left < heap.length && before(left, least)) least = left;
        if (right < heap.length && before(right, least)) least = right;
        if (least === at) return top;
        swap(at, least);
        at = least;
      }
    },
  };
};

/** Bytes of the values that tasks read and write, while tasks run; and which tasks free at least what they take. */
const roomFor = <T>(tasks: readonly Task<T>[], bytes: readonly number[]) => {
  const readers: number[][] = bytes.map(() => []);
  const writers: number[][] = bytes.map(() => []);
  tasks.forEach(({ reads, writes }, task) => {
    for (const value of reads) readers[value].push(task);
    for (const value of writes) writers[value].push(task);
  });
  const unread = readers.map(({ length }) => length);
  const isBegun = bytes.map(() => false);
  return {
    /** A task that would make room, or take no more than it makes, by reading something for the last time. */
    isFree: (task: number): boolean => {
      const { reads, writes, over } = tasks[task];
      if (over.some((value) => unread[value] > 1)) return false;
      const dying = reads.filter((value) => unread[value] === 1);
      const taken = writes.reduce((n, value) => n + (isBegun[value] ? 0 : bytes[value]), 0);
      return dying.length > 0 && taken <= dying.reduce((n, value) => n + bytes[value], 0);
    },
    /** Tasks for which less is to be had, or more to be freed, once this one has run. */
    done: (task: number): number[] => {
      const { reads, writes } = tasks[task];
      const cheaper = writes.flatMap((value) => {
        if (isBegun[value]) return [];
        isBegun[value] = true;
        return writers[value];
      });
      return [...cheaper, ...reads.flatMap((value) => (--unread[value] === 1 ? readers[value] : []))];
    },
  };
};

/**
 * Dependency order that stays as close as possible to the order as written (smallest ready key first), but for tasks that free
 * as much as they take: they run as soon as they can, since what they read would only lie there until their turn. `bytes` says how large
 * each value is. Ready tasks of one kin run together; small as they are, they keep the order. Those that nobody needs, as the last
 * steps of an optimizer, wait for their kin till nothing else is ready. Both only as far as they keep little memory alive.
 */
export const schedule = <T>(tasks: readonly Task<T>[], bytes: readonly number[]): T[][] => {
  const areLarge = tasks.some(({ kin }) => kin?.keepsOrder === false);
  const mostHeld = areLarge ? MOST_BYTES.large : MOST_BYTES.small;
  /** Of a kin of large tasks: bytes written ahead that are not yet used up, and most of them. Small ones share an account. */
  const accounts = new Map<string, { early: number; most: number }>();
  const accountOf = ({ name }: Kin) => accounts.get(areLarge ? name : "") as { early: number; most: number };
  for (const { kin } of tasks) {
    if (kin === undefined) continue;
    const name = areLarge ? kin.name : "";
    const known = accounts.get(name) ?? { early: 0, most: mostHeld };
    accounts.set(name, areLarge ? { ...known, most: Math.max(known.most, kin.writes) } : known);
  }
  const needs = tasks.map((task) => [...new Set(task.needs)]);
  const waiting = needs.map(({ length }) => length);
  const users: number[][] = tasks.map(() => []);
  needs.forEach((list, i) => {
    for (const need of list) users[need].push(i);
  });

  const heap = createHeap((task) => tasks[task].key);
  const atOnce = createHeap((task) => tasks[task].key); // ready, and free as much as they take
  const room = roomFor(tasks, bytes);
  const alike = new Map<string, Set<number>>(); // ready tasks by kin
  const late: number[] = []; // ready tasks that wait
  let held = 0; // bytes that they read
  const unused = users.map(({ length }) => length);
  const isEarly = tasks.map(() => false);
  const isDone = tasks.map(() => false);
  const isLate = tasks.map(() => false);

  /** Would it make room at once? Not asked of small tasks, nor of what waits for its kin and holds nothing but what was given. */
  const isFree = (task: number): boolean => {
    const { kin } = tasks[task];
    return !(kin?.keepsOrder || (isLate[task] && kin?.reads === 0)) && room.isFree(task);
  };
  const makeReady = (task: number) => {
    const { kin } = tasks[task];
    if (kin !== undefined) {
      const known = alike.get(kin.name);
      if (known === undefined) alike.set(kin.name, new Set([task]));
      else known.add(task);
      isLate[task] = users[task].length === 0 && kin.writes === 0;
    }
    if (isFree(task)) atOnce.push(task);
    else if (isLate[task]) {
      late.push(task);
      held += kin?.reads ?? 0;
    } else heap.push(task);
  };
  /** The task, with those of its kin that may come along. */
  const together = (first: number): number[] => {
    const kin = tasks[first].kin;
    const ready = kin && alike.get(kin.name);
    if (kin === undefined || ready === undefined) return [first];
    ready.delete(first);
    const members = [first];
    const account = accountOf(kin);
    const own = kin.keepsOrder ? 0 : kin.writes;
    for (const task of ready) {
      const { writes } = tasks[task].kin as Kin;
      if (account.early + own + writes > account.most) break;
      account.early += writes;
      isEarly[task] = true;
      ready.delete(task);
      members.push(task);
    }
    return members;
  };
  const finish = (task: number) => {
    isDone[task] = true;
    for (const other of room.done(task))
      if (waiting[other] === 0 && !isDone[other] && isFree(other)) atOnce.push(other);
    for (const need of needs[task]) {
      const { kin } = tasks[need];
      if (--unused[need] === 0 && isEarly[need] && kin !== undefined) accountOf(kin).early -= kin.writes;
    }
    for (const user of users[task]) if (--waiting[user] === 0) makeReady(user);
  };

  const out: T[][] = [];
  const run = (first: number) => {
    if (isDone[first]) return;
    const members = together(first);
    out.push(members.map((task) => tasks[task].value));
    members.forEach(finish);
  };
  tasks.forEach((_, i) => {
    if (waiting[i] === 0) makeReady(i);
  });
  for (;;) {
    const free = atOnce.pop();
    if (free !== undefined) {
      run(free);
      continue;
    }
    const next = held > mostHeld ? undefined : heap.pop();
    if (next !== undefined) run(next);
    else if (late.length === 0) return out;
    else {
      held = 0;
      late.splice(0).forEach(run);
    }
  }
};
