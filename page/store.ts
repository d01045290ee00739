/** What a tab keeps for when it is opened again: values under names, in the browser's own database. */
export interface Store {
  readonly get: (key: string) => Promise<unknown>;
  /** All of them, or none. */
  readonly put: (entries: Readonly<Record<string, unknown>>) => Promise<void>;
  readonly remove: (keys: readonly string[]) => Promise<void>;
  readonly close: () => void;
}

const answered = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const TABLE = "kept";

/** How long another tab may take to let go of what it keeps, in milliseconds. */
const PATIENCE = 2000;

/** Resolves once this tab alone keeps things under a name; it does until it is closed. */
const held = (name: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const forEver = (): Promise<never> => {
      resolve();
      return new Promise(() => {});
    };
    navigator.locks.request(name, { signal: AbortSignal.timeout(PATIENCE) }, forEver).catch(reject);
  });

/** Errors: the browser's, where it keeps nothing (a private window may not), or where another tab has the store. */
export const openStore = async (name: string): Promise<Store> => {
  await held(name);
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore(TABLE);
  };
  const database = await answered(opening);
  const writing = (change: (table: IDBObjectStore) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      const transaction = database.transaction(TABLE, "readwrite");
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      change(transaction.objectStore(TABLE));
    });
  return {
    get: (key) => answered(database.transaction(TABLE).objectStore(TABLE).get(key)),
    put: (entries) =>
      writing((table) => {
        for (const [key, value] of Object.entries(entries)) table.put(value, key);
      }),
    remove: (keys) =>
      writing((table) => {
        for (const key of keys) table.delete(key);
      }),
    close: () => database.close(),
  };
};
