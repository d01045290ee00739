import { homedir } from "node:os";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { fileExists, readText } from "../files/json.js";
import { process } from "../platform/node/globals.js";

/** Where the Hub is, who asks, and where what it sends is kept. */
export interface HubSettings {
  /** URL without a slash at its end (`HF_ENDPOINT`). */
  readonly endpoint: string;
  /** Access token (`HF_TOKEN`, or the file that `hf auth login` leaves). */
  readonly token: string | undefined;
  /** Folder of the cache, shared with huggingface_hub (`HF_HUB_CACHE`, else `HF_HOME`/hub). */
  readonly cache: string;
  /** Ask nobody: only what the cache holds (`HF_HUB_OFFLINE`). */
  readonly offline: boolean;
  /** Milliseconds before a request that failed is made again; twice as long each time. */
  readonly pause: number;
}

/** The user's home. Errors: InputError where the system knows none: no HOME, and no entry for the user. */
const homeFolder = (): string => {
  try {
    return homedir();
  } catch {
    throw new InputError("there is no home folder to keep models of the Hub in; set HF_HOME to a folder for them");
  }
};

const isOn = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? "");

/**
 * The settings that the environment makes, by the variables of huggingface_hub.
 * Errors: InputError for a token or an endpoint that cannot be one.
 */
export const hubSettings = (env: Readonly<Record<string, string | undefined>> = process.env): HubSettings => {
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homeFolder(), ".cache"), "huggingface");
  const kept = env.HF_TOKEN_PATH || join(home, "token");
  const token = env.HF_TOKEN ?? env.HUGGING_FACE_HUB_TOKEN ?? (fileExists(kept) ? readText(kept) : undefined);
  const endpoint = (env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  if (!/^https?:$/.test(URL.canParse(endpoint) ? new URL(endpoint).protocol : ""))
    throw new InputError(
      `HF_ENDPOINT is ${JSON.stringify(env.HF_ENDPOINT)}; it must be a URL, such as https://huggingface.co`,
    );
  const trimmed = token?.trim();
  if (trimmed && !trimmed.startsWith("hf_"))
    throw new InputError('HF_TOKEN is no access token of the Hub: they begin with "hf_"');
  return {
    endpoint,
    token: trimmed || undefined,
    cache: env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, "hub"),
    offline: isOn(env.HF_HUB_OFFLINE) || isOn(env.TRANSFORMERS_OFFLINE),
    pause: 500,
  };
};
