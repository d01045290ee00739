import { createHash } from "node:crypto";

/** JSON with keys in order, so that equal settings are equal text. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );

/** Names of jobs: 20 hex digits of the sha256 of a text that says all that decides the result; worked out once a job. */
export const namesBy = <J extends object>(textOf: (job: J) => string): ((job: J) => string) => {
  const known = new WeakMap<J, string>();
  return (job) => {
    const name = known.get(job) ?? createHash("sha256").update(textOf(job)).digest("hex").slice(0, 20);
    known.set(job, name);
    return name;
  };
};
