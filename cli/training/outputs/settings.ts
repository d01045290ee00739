/** Keys with their values. */
export type Settings = Readonly<Record<string, unknown>>;

/** Keys that say how a command was called, not what is trained. */
const CALL = new Set(["config", "json", "dry_run", "resume"]);

/** Settings as a YAML file holds them, so that `--config` takes the text. Keys without a value are left out. */
export const yamlOf = async (settings: Settings): Promise<string> => {
  const { stringify } = await import("yaml");
  const given = Object.entries(settings).filter(([key, value]) => value !== undefined && !CALL.has(key));
  return stringify(Object.fromEntries(given), { lineWidth: 0 });
};
