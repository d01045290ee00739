import type { Kin } from "./batch.js";

/** Something to order: what it needs first, and where it stood in the program as written. */
export interface Task<T> {
  readonly value: T;
  readonly needs: readonly number[];
  readonly key: number;
  /** Ready tasks of one kin may run together. */
  readonly kin?: Kin;
}

/** Most bytes that bringing tasks together may keep alive: outputs that came early, and as much of inputs that wait. */
const MOST_BYTES = 2 ** 20;

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

/**
 * Dependency order that stays as close as possible to the order as written (smallest ready key first). Ready tasks of one
 * kin run together. Those that nobody needs, as the last steps of an optimizer, wait for their kin till nothing else is
 * ready. Both only as far as they keep little memory alive.
 */
export const schedule = <T>(tasks: readonly Task<T>[]): T[][] => {
  const needs = tasks.map((task) => [...new Set(task.needs)]);
  const waiting = needs.map(({ length }) => length);
  const users: number[][] = tasks.map(() => []);
  needs.forEach((list, i) => {
    for (const need of list) users[need].push(i);
  });

  const heap = createHeap((task) => tasks[task].key);
  const alike = new Map<string, Set<number>>(); // ready tasks by kin
  const late: number[] = []; // ready tasks that wait
  let held = 0; // bytes that they read
  let early = 0; // bytes written ahead, not yet used up
  const unused = users.map(({ length }) => length);
  const isEarly = tasks.map(() => false);
  const isDone = tasks.map(() => false);

  const makeReady = (task: number) => {
    const { kin } = tasks[task];
    if (kin !== undefined) {
      const known = alike.get(kin.name);
      if (known === undefined) alike.set(kin.name, new Set([task]));
      else known.add(task);
      if (users[task].length === 0 && kin.writes === 0) {
        late.push(task);
        held += kin.reads;
        return;
      }
    }
    heap.push(task);
  };
  /** The task, with those of its kin that may come along. */
  const together = (first: number): number[] => {
    const kin = tasks[first].kin;
    const ready = kin && alike.get(kin.name);
    if (ready === undefined) return [first];
    ready.delete(first);
    const members = [first];
    for (const task of ready) {
      const { writes } = tasks[task].kin as Kin;
      if (early + writes > MOST_BYTES) break;
      early += writes;
      isEarly[task] = true;
      ready.delete(task);
      members.push(task);
    }
    return members;
  };
  const finish = (task: number) => {
    isDone[task] = true;
    for (const need of needs[task]) if (--unused[need] === 0 && isEarly[need]) early -= (tasks[need].kin as Kin).writes;
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
    const next = held > MOST_BYTES ? undefined : heap.pop();
    if (next !== undefined) run(next);
    else if (late.length === 0) return out;
    else {
      held = 0;
      late.splice(0).forEach(run);
    }
  }
};
