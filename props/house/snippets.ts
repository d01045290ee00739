/** Examples of docstrings, as one program that runs them all. */
import type { Exported } from "./docstrings.js";

type Exports = ReadonlyMap<string, readonly Exported[]>;

/** An example of a docstring: code, and what it says that comes out, if it says numbers. */
export interface Snippet {
  readonly name: string;
  readonly entry: string;
  readonly code: string;
  readonly says: string | undefined;
}

export const snippetsOf = (exports: Exports): Snippet[] =>
  [...exports].flatMap(([entry, all]) =>
    all.flatMap(({ name, doc }) =>
      [...doc.matchAll(/^@example (.*?)(?: \/\/ (.*))?$/gm)].map(([, code = "", comment]) => {
        const numbers = comment?.replace(/^(?:i32|f32|bool) /, "");
        return {
          name,
          entry,
          code,
          says: numbers !== undefined && /^(?:-?\d|\[[-\d[]|true|false)/.test(numbers) ? numbers : undefined,
        };
      }),
    ),
  );

/** One program that runs all of them on one device, and prints what each gives. */
export const programOf = (snippets: readonly Snippet[], exports: Exports): string => {
  const text = snippets.map(({ code }) => code).join("\n");
  const words = new Set(["open", "isTensor", "evaluate", "toArray", ...(text.match(/\w+/g) ?? [])]);
  const imports = [...exports].map(([entry, all]) => {
    const names = [
      ...new Set(
        all
          .filter(({ name }) => words.has(name))
          .map(({ name, kind }) => (/^(type|interface)$/.test(kind) ? `type ${name}` : name)),
      ),
    ];
    return `import { ${names.join(", ")} } from "${entry}";`;
  });
  const bodies = snippets.map(({ code }) => {
    const parts = code.split(/(?<=;) (?=\S)/);
    const last = (parts.pop() ?? "").replace(/;$/, "");
    const isStatement = /^(const|let|using|for) /.test(last);
    return `async () => { ${parts.join(" ")} ${isStatement ? last : `return ${last}`}; }`;
  });
  return `${imports.join("\n")}
const device = await open("reference");
const shown = async (value: unknown): Promise<unknown> => {
  if (isTensor(value)) return toArray(evaluate(value, device));
  if (ArrayBuffer.isView(value)) return [...(value as Float32Array)];
  if (Array.isArray(value)) return Promise.all(value.map(shown));
  return value;
};
const bodies: (() => Promise<unknown>)[] = [${bodies.join(",\n")}];
const say = console.log;
console.log = () => {};
const given: unknown[] = [];
for (const body of bodies) given.push((await shown(await body())) ?? null);
console.log = say;
say(JSON.stringify(given, (_, value) => typeof value === "object" && value !== null && !Array.isArray(value) ? null : value));
await device.close();
`;
};

/** Is a value what is said, in as many digits as are said? Several tensors stand as `[4, 2] and [1, 2]`. */
export const isShown = (given: unknown, says: string): boolean => {
  const parts = says.split(" and ").map((part) => JSON.parse(part) as unknown);
  const near = (one: unknown, other: unknown): boolean =>
    Array.isArray(one) && Array.isArray(other)
      ? one.length === other.length && one.every((x, i) => near(x, other[i]))
      : typeof one === "number" && typeof other === "number"
        ? Number(one.toPrecision(6)) === other || Math.abs(one - other) < 1e-5 * Math.abs(other) + 1e-12
        : one === other;
  return near(given, parts.length === 1 ? parts[0] : parts);
};
