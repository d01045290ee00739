import { rm } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { asks } from "../../core/expects.js";
import { blobName, downloadBlob, type ListedFile, sizeOf } from "./blob.js";
import { cachedRepo, isWhole } from "./cache.js";
import { answered, asking, hubLibrary, NotInstalled, saidBy } from "./library.js";
import type { HubName } from "./name.js";
import { Unreachable } from "./patient-fetch.js";
import { type HubSettings, hubSettings } from "./settings.js";
import { type Purpose, wantedOf } from "./wanted.js";

/** How a repository is fetched. */
export interface SnapshotOptions {
  readonly purpose?: Purpose;
  /** Default: what the environment says. */
  readonly settings?: HubSettings;
  /** Hears a line now and then. */
  readonly tell?: (line: string) => void;
}

const shownName = ({ id, revision }: HubName): string => (revision === "main" ? id : `${id}@${revision}`);

/** Why a repository cannot be had, by the Hub's answer. */
const refused = (name: HubName, error: unknown, { endpoint, token }: HubSettings): Error => {
  const what = shownName(name);
  const status = answered(error);
  const access = token === undefined ? "set HF_TOKEN" : "the token of HF_TOKEN has no access";
  if (error instanceof Unreachable)
    return new InputError(`${what}: ${error.message}, and the cache holds no whole copy`);
  if (status === 401)
    return new InputError(`${what}: no ${name.type} of that name at ${endpoint}, or it is private (${access})`);
  if (status === 403) return new InputError(`${what}: access must be asked for at ${endpoint}/${name.id} (${access})`);
  if (status === 404)
    return new InputError(`${what}: ${endpoint} has no such ${name.type} or revision (${saidBy(error)})`);
  return new InputError(`${what}: ${endpoint} answered ${status ?? "nothing that is understood"} (${saidBy(error)})`);
};

/** Files of a commit, by the Hub's list. */
const listed = async (name: HubName, settings: HubSettings): Promise<{ commit: string; files: ListedFile[] }> => {
  const { modelInfo, datasetInfo, listFiles } = await hubLibrary(name.id);
  const call = asking(settings);
  const asked = { ...call, name: name.id, revision: name.revision };
  const { sha } =
    name.type === "model"
      ? await modelInfo({ ...asked, additionalFields: ["sha"] })
      : await datasetInfo({ ...asked, additionalFields: ["sha"] });
  if (!/^[0-9a-f]{40}$/.test(sha)) throw new InputError(`${name.id}: the Hub tells no commit of ${name.revision}`);
  const files: ListedFile[] = [];
  const repo = { type: name.type, name: name.id } as const;
  for await (const entry of listFiles({ ...call, repo, revision: sha, recursive: name.type === "dataset" }))
    if (entry.type === "file" && !/(^|\/)\.\.?(\/|$)|\\/.test(entry.path)) files.push(entry);
  return { commit: sha, files };
};

const MiB = 2 ** 20;

/** One file into the cache, unless it is there in its size. */
const fetched = async (
  name: HubName,
  commit: string,
  file: ListedFile,
  settings: HubSettings,
  tell: (line: string) => void,
): Promise<void> => {
  const repo = cachedRepo(settings, name);
  const place = join(repo.snapshot(commit), file.path);
  if ((await sizeOf(place)) === file.size) return;
  const blob = repo.blob(blobName(file));
  const there = await sizeOf(blob);
  if (there !== undefined && there !== file.size) await rm(blob);
  if (there !== file.size) {
    const { downloadFile } = await hubLibrary(name.id);
    let told = 0;
    tell(`${name.id}: ${file.path}, ${(file.size / MiB).toFixed(1)} MiB`);
    await downloadBlob(file, blob, {
      pause: settings.pause,
      source: async (from) => {
        const repo = { type: name.type, name: name.id } as const;
        // By plain requests: a broken one is gone on from where it broke.
        const all = await downloadFile({ ...asking(settings), repo, path: file.path, revision: commit, xet: false });
        if (all === null) throw new InputError(`${name.id}: ${file.path} is listed, and not there`);
        return (from === 0 ? all : all.slice(from, file.size)).stream() as ReadableStream<Uint8Array>;
      },
      onBytes: (done) => {
        const tenth = Math.floor((10 * done) / file.size);
        if (file.size > 64 * MiB && tenth > told) tell(`${name.id}: ${file.path}, ${10 * tenth} %`);
        told = tenth;
      },
    });
  }
  await repo.link(blob, commit, file.path);
};

/**
 * The folder of a repository of the Hub, in the cache that huggingface_hub keeps: what the purpose takes is downloaded, unless
 * it is there, and checked by its hash. Offline, and where the Hub cannot be reached, the last whole copy serves.
 * Errors: InputError, one line, for a repository that is not there, private, of another kind or broken; where the client of the
 * Hub is not installed.
 */
export const hubSnapshot = asks(
  "hubSnapshot",
  "record record?",
  async (
    name: HubName,
    { purpose = "model", settings = hubSettings(), tell = () => {} }: SnapshotOptions = {},
  ): Promise<string> => {
    const repo = cachedRepo(settings, name);
    const kept = repo.commit();
    const copy = kept !== undefined && isWhole(repo.snapshot(kept), purpose) ? repo.snapshot(kept) : undefined;
    if (copy !== undefined && (settings.offline || kept === name.revision)) return copy;
    if (settings.offline)
      throw new InputError(`${shownName(name)}: HF_HUB_OFFLINE is set, and ${settings.cache} holds no whole copy`);
    let found: Awaited<ReturnType<typeof listed>>;
    try {
      found = await listed(name, settings);
    } catch (error) {
      const isPassing = error instanceof Unreachable || error instanceof NotInstalled || (answered(error) ?? 0) >= 500;
      if (copy !== undefined && isPassing) {
        tell(`${shownName(name)}: ${saidBy(error)}; the copy in the cache serves`);
        return copy;
      }
      if (error instanceof InputError && !(error instanceof Unreachable)) throw error;
      throw refused(name, error, settings);
    }
    const { commit, files } = found;
    const wanted = new Set(wantedOf(purpose, files, shownName(name)));
    try {
      for (const file of files) if (wanted.has(file.path)) await fetched(name, commit, file, settings, tell);
    } catch (error) {
      throw answered(error) === undefined ? error : refused(name, error, settings);
    }
    await repo.remember(commit);
    return repo.snapshot(commit);
  },
);
