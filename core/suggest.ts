/** Edits between two words: insertions, deletions, replacements, swaps of neighbours. */
const distance = (a: string, b: string): number => {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return row[b.length];
};

/** The name that was probably meant, or undefined. */
export const suggestion = (given: string, names: readonly string[]): string | undefined => {
  const whole = given.length >= 3 ? names.filter((name) => name.includes(given)) : [];
  if (whole.length === 1) return whole[0]; // gpu is webgpu, not cpu
  const ranked = names.map((name) => ({ name, edits: distance(given, name) })).sort((a, b) => a.edits - b.edits);
  const nearest = ranked[0];
  if (nearest !== undefined && nearest.edits <= Math.max(1, Math.floor(given.length / 3))) return nearest.name;
  return given.length >= 3 ? (whole[0] ?? names.find((name) => given.includes(name))) : undefined;
};

/** What to write instead of an unknown name: the known one that is near, else all of them. */
export const instead = (given: string, known: readonly string[]): string => {
  const name = suggestion(given, known);
  return name === undefined ? `known are ${known.join(", ")}` : `did you mean "${name}"?`;
};

/** What a value must be that is none of some names: the one that was probably meant, else one of them. */
export const amongst = (given: unknown, names: readonly string[], many = "one"): string => {
  const meant = typeof given === "string" ? suggestion(given, names) : undefined;
  if (meant !== undefined) return `did you mean "${meant}"?`;
  return names.length === 1 ? `it must be "${names[0]}"` : `it must be ${many} of ${names.join(", ")}`;
};
