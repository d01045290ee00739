import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's root: tests run from a bundle, so it is looked for upwards. */
export const projectRoot: string = (() => {
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, "package.json")) && existsSync(join(at, "props", "golden"))) return at;
  }
  throw new Error("the project's root was not found above the running test");
})();

/** Path of a reference file under props/golden. */
export const goldenPath = (...parts: readonly string[]): string => join(projectRoot, "props", "golden", ...parts);

/** A reference JSON file under props/golden; the caller names its type. */
export const goldenJson = <T>(...parts: readonly string[]): T =>
  JSON.parse(readFileSync(goldenPath(...parts), "utf8")) as T;

/** A text file under props. */
export const propsText = (...parts: readonly string[]): string =>
  readFileSync(join(projectRoot, "props", ...parts), "utf8");

/** Path of material that lies beside the checkout on some machines only; undefined (and a printed line) elsewhere. */
export const besideCheckout = (...parts: readonly string[]): string | undefined => {
  const path = join(projectRoot, "..", "shared", ...parts);
  if (existsSync(path)) return path;
  console.log(`skipped: ${join(...parts)} is not beside this checkout`);
  return undefined;
};
