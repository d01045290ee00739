/** What the second view keeps for when the tab is opened again. */
import { type Folder, folderIn } from "../../models/index.js";
import { openStore } from "../store.js";
import type { Alignment, Place, Turn } from "./messages.js";

/** A model that was chosen, and what tells it from others. */
export interface Chosen {
  readonly place: Place;
  readonly digest: string;
}

/** An alignment that was begun: with what, and where it was stopped. */
export interface Lesson {
  /** Its snapshots bear it. */
  readonly run: string;
  /** Digests. */
  readonly model: string;
  readonly base: string | undefined;
  readonly pairs: File;
  readonly alignment: Alignment;
  readonly stopped?: number;
}

interface Entries {
  readonly model: Chosen;
  readonly base: Chosen;
  readonly lesson: Lesson;
  readonly turns: readonly Turn[];
  /** Is something going on that ended no good way before? */
  readonly risk: boolean;
}

export interface Keep {
  readonly get: <K extends keyof Entries>(key: K) => Promise<Entries[K] | undefined>;
  /** Errors: the browser's, where its storage is full. */
  readonly put: (entries: Partial<Entries>) => Promise<void>;
  readonly remove: (...keys: readonly (keyof Entries)[]) => Promise<void>;
  /** Where the snapshots of the alignment lie. */
  readonly runs: Folder;
}

const NAME = "taugrad-model";

/** Errors: the browser's, where it keeps nothing, or where another tab keeps the model. */
export const openKeep = async (): Promise<Keep> => {
  const store = await openStore(NAME);
  const storage = folderIn(await navigator.storage.getDirectory());
  return {
    get: (key) => store.get(key) as Promise<never>,
    put: store.put,
    remove: (...keys) => store.remove(keys),
    runs: storage.within(NAME),
  };
};
