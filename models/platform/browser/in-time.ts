/**
 * As in Node, but that nothing stops it: no clock of a browser's reaches into a thread that is at work. Who reads what strangers
 * wrote does so in a worker, which a page can end.
 */
export const inTime = <T>(_limit: number, _refuse: (why: string) => Error, run: () => T): T => run();
