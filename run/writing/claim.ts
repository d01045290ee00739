import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { folderExists, isObject, readText } from "../../models/files/json.js";
import { isTokenizerFile } from "../../models/files/side-files.js";
import { writeTextAtomically } from "../../models/files/writing/atomic.js";

/** In an output folder, what made what is in it. */
const MARK = ".taugrad.json";

/** What decides a result: settings by key, and digests of what they name. */
export interface Identity {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly digests: Readonly<Record<string, string>>;
}

/** What is about to be written, and by what. */
export interface Claim {
  readonly folder: string;
  /** The command. */
  readonly what: string;
  /** Is it one of the names that will be written? */
  readonly takes: (name: string) => boolean;
  /** May what another run has written be replaced? */
  readonly overwrite: boolean;
  /** How to say so; left out where nothing does. */
  readonly option?: string;
}

/** Names of a model's files. */
export const isModelFile = (name: string): boolean =>
  /^((generation_)?config\.json|model.*\.safetensors(\.index\.json)?|adapter)$/.test(name) || isTokenizerFile(name);

/** Which names a claim would write over. */
const takenIn = ({ folder, takes }: Claim): string[] =>
  folderExists(folder) ? readdirSync(folder).filter(takes).sort() : [];

const SHOWN = 4;
const listed = (names: readonly string[]): string =>
  names.length > SHOWN ? `${names.slice(0, SHOWN).join(", ")} and ${names.length - SHOWN} more` : names.join(", ");

const refuse = ({ folder, option }: Claim, taken: readonly string[], whose: string): InputError =>
  new InputError(
    `${folder} holds ${listed(taken)} ${whose}, which would be overwritten; choose another folder${option === undefined ? "" : `, or add ${option}`}`,
  );

/** What made a folder's content; undefined where nothing says so. */
const markIn = (folder: string): (Identity & { readonly what: unknown }) | undefined => {
  const path = join(folder, MARK);
  if (!existsSync(path)) return undefined;
  try {
    const mark: unknown = JSON.parse(readText(path));
    return isObject(mark) && isObject(mark.settings) && isObject(mark.digests) ? (mark as never) : undefined;
  } catch {
    return undefined; // whatever it is, it names no run
  }
};

/**
 * Whether what a folder holds may be written over: what the very same run has written there may, and what another has where
 * `overwrite` says so; names are told then. Compared is what `identity` knows. Errors: InputError for what may not.
 */
export const checkOwn = (claim: Claim, identity: Identity, tell: (line: string) => void): void => {
  const { folder, what, overwrite } = claim;
  const taken = takenIn(claim);
  if (taken.length === 0) return;
  const mark = markIn(folder);
  const changed = (["settings", "digests"] as const).flatMap((part) =>
    Object.entries(identity[part]).flatMap(([key, value]) =>
      mark !== undefined && JSON.stringify(value) !== JSON.stringify(mark[part][key]) ? [key] : [],
    ),
  );
  if (mark !== undefined && mark.what === what && changed.length === 0) return;
  const whose = mark === undefined ? "that no run has signed" : "of another run";
  const why = changed.length === 0 ? whose : `${whose} (other ${listed(changed)})`;
  if (!overwrite) throw refuse(claim, taken, why);
  tell(`note: ${folder}: ${listed(taken)} ${why} will be replaced`);
};

/** Signs a folder. */
export const signFolder = ({ folder, what }: Claim, identity: Identity): void =>
  writeTextAtomically(join(folder, MARK), `${JSON.stringify({ what, ...identity }, null, 1)}\n`);
