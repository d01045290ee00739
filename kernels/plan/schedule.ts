/** Something to order: what it needs first, and where it stood in the program as written. */
export interface Task<T> {
  readonly value: T;
  readonly needs: readonly number[];
  readonly key: number;
}

/** Dependency order that stays as close as possible to the order as written (smallest ready key first). */
export const schedule = <T>(tasks: readonly Task<T>[]): T[] => {
  const waiting = tasks.map((task) => new Set(task.needs).size);
  const users: number[][] = tasks.map(() => []);
  tasks.forEach((task, i) => {
    for (const need of new Set(task.needs)) users[need].push(i);
  });
  const heap: number[] = []; // binary heap of ready tasks by key
  const before = (i: number, j: number) => tasks[heap[i]].key < tasks[heap[j]].key;
  const swap = (i: number, j: number) => {
    [heap[i], heap[j]] = [heap[j], heap[i]];
  };
  const push = (task: number) => {
    let at = heap.push(task) - 1;
    for (let up = (at - 1) >> 1; at > 0 && before(at, up); at = up, up = (at - 1) >> 1) swap(at, up);
  };
  const pop = (): number => {
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
  };
  tasks.forEach((_, i) => {
    if (waiting[i] === 0) push(i);
  });
  const out: T[] = [];
  while (heap.length > 0) {
    const next = pop();
    out.push(tasks[next].value);
    for (const user of users[next]) if (--waiting[user] === 0) push(user);
  }
  return out;
};
