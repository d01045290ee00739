/** What a user or a scheduler ends a program with. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** What ends with this program, and the listeners that see to it while there is any. */
const ends = new Set<() => void>();
let untie = (): void => {};

const endAll = (): void => {
  for (const end of ends) end();
};

const listen = (): void => {
  const passOn = (signal: NodeJS.Signals): void => {
    endAll();
    untie();
    process.kill(process.pid, signal);
  };
  // Where somebody else listens, the program goes on, or ends by itself.
  const listened = SIGNALS.filter((signal) => process.listenerCount(signal) === 0);
  process.on("exit", endAll);
  for (const signal of listened) process.on(signal, passOn);
  untie = () => {
    process.off("exit", endAll);
    for (const signal of listened) process.off(signal, passOn);
  };
};

/** Has something end where this program is ended before it. → lets it go again. */
export const tied = (end: () => void): (() => void) => {
  if (ends.size === 0) listen();
  ends.add(end);
  return () => {
    if (ends.delete(end) && ends.size === 0) untie();
  };
};
