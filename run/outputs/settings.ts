/** Keys with their values. */
export type Settings = Readonly<Record<string, unknown>>;

/** Keys that say how a command was called, not what is trained. */
const CALL = new Set(["config", "json", "dry_run", "resume", "overwrite_output_dir"]);

/** Settings as a YAML file holds them, so that `--config` takes the text. Keys without a value are left out; no limit is null. */
export const yamlOf = async (settings: Settings): Promise<string> => {
  const { stringify } = await import("yaml");
  const given = Object.entries(settings).filter(([key, value]) => value !== undefined && !CALL.has(key));
  const written = given.map(([key, value]) => [key, value === Number.POSITIVE_INFINITY ? null : value]);
  return stringify(Object.fromEntries(written), { lineWidth: 0 });
};
