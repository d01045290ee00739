import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { InputError } from "../../core/errors.js";
import { asks } from "../../core/expects.js";
import { answered, asking, hubLibrary, saidBy } from "./library.js";
import { parseHubName } from "./name.js";
import { type HubSettings, hubSettings } from "./settings.js";

/** A repository to write to. */
export interface HubTarget {
  /** owner/name. */
  readonly id: string;
  readonly settings: HubSettings;
}

/** Settings with a token. Errors: InputError where nothing can be written. */
const writable = (settings: HubSettings): HubSettings & { readonly token: string } => {
  const { token, offline } = settings;
  if (offline) throw new InputError("push_to_hub: HF_HUB_OFFLINE is set; unset it, or leave push_to_hub out");
  if (token === undefined)
    throw new InputError(
      "push_to_hub needs an access token with write permission: set HF_TOKEN, or leave push_to_hub out",
    );
  return { ...settings, token };
};

const refused = (what: string, error: unknown, { endpoint }: HubSettings): Error => {
  if (error instanceof InputError) return error;
  const status = answered(error);
  if (status === undefined) return new InputError(`${what}: ${saidBy(error)}`);
  const why =
    status === 401
      ? "the token of HF_TOKEN is not valid"
      : status === 403
        ? "the token of HF_TOKEN may not write there"
        : "";
  return new InputError(`${what}: ${endpoint} answered ${status}${why && `: ${why}`} (${saidBy(error)})`);
};

/**
 * Makes sure, before anything is computed, that a model can be uploaded: whose token it is, and that the repository is there,
 * made if need be. `id` is owner/name, or a name alone, which is then the token's owner's.
 * Errors: InputError without a token or where the Hub refuses it, for a name that cannot be one.
 */
export const prepareUpload = async (
  id: string,
  { isPrivate, settings = hubSettings() }: { readonly isPrivate?: boolean; readonly settings?: HubSettings } = {},
): Promise<HubTarget> => {
  const checked = writable(settings);
  const call = { ...asking(checked), accessToken: checked.token };
  const { whoAmI, repoExists, createRepo } = await hubLibrary("push_to_hub");
  try {
    const { name: owner } = await whoAmI(call);
    const full = id.includes("/") ? id : `${owner}/${id}`;
    if (parseHubName(full)?.id !== full)
      throw new InputError(
        `hub_model_id is ${JSON.stringify(id)}; it must be owner/name, of letters, digits, "-", "_" and "."`,
      );
    const repo = { type: "model", name: full } as const;
    if (!(await repoExists({ ...call, repo }))) await createRepo({ ...call, repo, private: isPrivate });
    return { id: full, settings };
  } catch (error) {
    throw refused(`push_to_hub: ${id}`, error, settings);
  }
};

/** Files of a finished run: all but checkpoints, and what begins with a dot or an underscore. */
const filesOf = (folder: string, inside = ""): string[] =>
  readdirSync(join(folder, inside), { withFileTypes: true }).flatMap((entry) => {
    const path = inside === "" ? entry.name : `${inside}/${entry.name}`;
    if (/^[._]|\.tmp$/.test(entry.name) || (inside === "" && /^checkpoint-\d+$/.test(entry.name))) return [];
    return entry.isDirectory() ? filesOf(folder, path) : [path];
  });

/** Uploads a finished folder as one commit; resolves to its address. Errors: InputError where the Hub refuses it. */
export const uploadFolder = asks(
  "uploadFolder",
  "text record text",
  async (folder: string, { id, settings }: HubTarget, title: string): Promise<string> => {
    const { uploadFiles } = await hubLibrary("push_to_hub");
    const files = filesOf(folder).map((path) => ({ path, content: pathToFileURL(join(folder, path)) }));
    try {
      // Large files by plain requests, which any server that speaks the protocol takes.
      await uploadFiles({
        ...asking(settings),
        repo: { type: "model", name: id },
        files,
        commitTitle: title,
        useXet: false,
      });
    } catch (error) {
      throw refused(`push_to_hub: ${id}: not uploaded, ${folder} is whole`, error, settings);
    }
    return `${settings.endpoint}/${id}`;
  },
);
