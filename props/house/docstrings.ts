/** What the package exports, with its docstrings. */
import { posix } from "node:path";
import { textOf } from "./programs.js";

/** The entries of the package, by the specifier that a user writes. */
export const ENTRIES: Readonly<Record<string, string>> = {
  taugrad: "library/index.ts",
  "taugrad/optim": "optim/index.ts",
  "taugrad/models": "models/index.ts",
  "taugrad/align": "run/index.ts",
  "taugrad/testing": "testing/index.ts",
  "taugrad/devices": "kernels/index.ts",
};

/** An exported name: where it is declared, the text of its declaration, and its docstring without the stars. */
export interface Exported {
  readonly name: string;
  readonly file: string;
  readonly kind: string;
  /** Is it exported where it is declared? */
  readonly isOwn: boolean;
  readonly declaration: string;
  readonly doc: string;
}

const DECLARATION =
  /(?:^\/\*\*((?:(?!\*\/)[\s\S])*?)\*\/\n)?^(export )?(const|function\*?|async function\*?|class|abstract class|interface|type) (\w+)/gm;

const plain = (comment: string): string =>
  comment
    .split("\n")
    .map((line) => line.replace(/^ \* ?/, ""))
    .join("\n")
    .trim();

/** All declarations of a module. */
const declared = (file: string): Exported[] => {
  const text = textOf(file);
  const starts = [...text.matchAll(DECLARATION)];
  return starts.map((match, i) => {
    const [whole, comment = "", isExported, kind = "", name = ""] = match;
    const end = text.indexOf("\n/**", match.index + whole.length);
    const next = Math.min(starts[i + 1]?.index ?? text.length, end < 0 ? text.length : end);
    const isOwn = isExported !== undefined;
    return { name, file, kind, isOwn, declaration: text.slice(match.index + whole.length, next), doc: plain(comment) };
  });
};

/** Names in braces: what they are called where they are from, and outside. */
const namesIn = (list: string): (readonly [own: string, as: string])[] =>
  list
    .split(",")
    .map((name) => name.replace(/^\s*type /, "").trim())
    .filter((name) => name !== "")
    .map((name) => {
      const [own = name, as = own] = name.split(" as ");
      return [own, as] as const;
    });

/** What a module exports, its own and others'. */
const exportsOf = (file: string): Exported[] => {
  const text = textOf(file);
  const from = (specifier: string) => posix.join(posix.dirname(file), specifier.replace(/\.js$/, ".ts"));
  const all = [...text.matchAll(/^export \* from "([^"]+)";/gm)].flatMap(([, path = ""]) => exportsOf(from(path)));
  const own = declared(file);
  const some = [...text.matchAll(/^export (?:type )?\{([^}]*)\}(?: from "([^"]+)")?;/gm)].flatMap(
    ([, names = "", path]) =>
      namesIn(names).map(([name, as]) => {
        const imported = [...text.matchAll(/^import (?:type )?\{([^}]*)\} from "([^"]+)";/gm)].find(([, list = ""]) =>
          namesIn(list).some(([one]) => one === name),
        );
        const there = path ?? imported?.[2];
        const found = (there === undefined ? own : exportsOf(from(there))).find((one) => one.name === name);
        if (found === undefined)
          throw new Error(`${file}: ${name} is not found${there === undefined ? "" : ` in ${there}`}`);
        return { ...found, name: as };
      }),
  );
  return [...own.filter(({ isOwn }) => isOwn), ...all, ...some];
};

/** Every export of every entry. */
export const exportsByEntry: ReadonlyMap<string, readonly Exported[]> = new Map(
  Object.entries(ENTRIES).map(([entry, file]) => [entry, exportsOf(file)]),
);

const isFunction = ({ kind, declaration }: Exported): boolean =>
  kind.includes("function") || (kind === "const" && /=>|checked\(|: (Unary|Binary|Compare)\b/.test(declaration));

/** Does it take or give tensors, by its signature? */
const hasTensors = ({ declaration }: Exported): boolean => {
  const [head = "", ...rest] = declaration.split("=>");
  const [result = ""] = /\): [^=]*$/.exec(head) ?? [];
  return /: Tensor|TensorLike|: (Unary|Binary|Compare)\b/.test(`${head}${rest.length > 0 ? result : ""}`);
};

/** A docstring without its examples, and without what Markdown leaves as it is: fences and code in a line. */
const prose = (doc: string): string =>
  doc
    .replace(/^@example[\s\S]*/m, "")
    .replace(/^```[\s\S]*?^```$/gm, "")
    .replace(/`[^`]*`/g, "");

/** What an export's docstring lacks. */
export const faultsOf = (exported: Exported): string[] => {
  const { name, file, doc, declaration } = exported;
  const tell = (fault: string) => `${name} (${file}): ${fault}`;
  if (doc === "") return [tell("has no docstring")];
  const thrown = new Set([...declaration.matchAll(/throw new (\w+)/g)].map(([, error = ""]) => error));
  const text = prose(doc);
  return [
    ...(isFunction(exported) && hasTensors(exported) && !/\[.*\]|scalar/s.test(doc) ? [tell("names no shapes")] : []),
    ...(isFunction(exported) && thrown.size > 0 && !/Errors\b/.test(doc)
      ? [tell(`throws ${[...thrown].join(", ")}, and says nothing of it`)]
      : []),
    ...(/^ {2,}\S/m.test(text)
      ? [tell("lines that begin with spaces run together: put them into a ```text block")]
      : []),
    ...(/^\[[^\]]*\]: /m.test(text) ? [tell("a line that begins with […]: defines a link, and is not shown")] : []),
    ...(/\*(?!S\])/.test(text) ? [tell("a star begins emphasis: write · or put it into backticks")] : []),
    ...(/<\w/.test(text) ? [tell("< before a letter begins a tag: put it into backticks")] : []),
  ];
};
