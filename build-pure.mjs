/**
 * Tells bundlers that what the package's modules make while they load is heard of by nobody else, so that what a program does not
 * use of it falls away: ops, optimizers and tables are values of calls, and a call may do anything unless it is said to be pure.
 */
import { readFile } from "node:fs/promises";
import { parseSync } from "oxc-parser";

const PURE = "/*@__PURE__*/";
/** Stands for it where esbuild drops comments; as long, so that source maps stay true. */
export const MARK = "$$$$$PURE$$$$";

const WRAPPERS = new Set(["TSAsExpression", "TSSatisfiesExpression", "TSNonNullExpression", "ParenthesizedExpression"]);
const SILENT = new Set(["Literal", "Identifier", "ArrowFunctionExpression", "FunctionExpression"]);

/** Does every bundler see that nothing happens where this is evaluated? */
const isSilent = (node) => {
  if (node === null || SILENT.has(node.type)) return true;
  if (WRAPPERS.has(node.type)) return isSilent(node.expression);
  if (node.type === "TemplateLiteral") return node.expressions.length === 0;
  if (node.type === "UnaryExpression") return node.argument.type === "Literal";
  if (node.type === "ArrayExpression") return node.elements.every(isSilent);
  return (
    node.type === "ObjectExpression" &&
    node.properties.every((part) => part.type === "Property" && !part.computed && isSilent(part.value))
  );
};

/** What is written instead of a declaration: each value that is not silent in a function that is called. */
const replaced = (text, { id, init, start }, mark) => {
  const code = (node) => text.slice(node.start, node.end);
  const pure = (value) => `${PURE}${mark}(()=>(${value}))()`;
  const value = (node) => (isSilent(node) ? code(node) : pure(code(node)));
  if (id.type === "Identifier") return text.slice(start, init.start) + value(init);
  // [a, b] = [1, 2]
  if (id.type === "ArrayPattern" && init.type === "ArrayExpression")
    return id.elements.map((name, i) => `${name.name} = ${value(init.elements[i])}`).join(", ");
  // { a, b: c } = of
  if (id.type === "ObjectPattern" && init.type === "Identifier")
    return id.properties.map(({ key, value: name }) => `${name.name} = ${pure(`${init.name}.${key.name}`)}`).join(", ");
  return text.slice(start, init.end);
};

/** A declaration of the top level whose value may not be silent; sources are formatted, so that each begins a line. */
const SUSPECT = /^(?:export )?(?:const|let) (?:\w+(?:: .*)? =\s+(?!\(|async |<|["'\d-]|\w+;)|[[{])/m;

/** A module's text, with the values that its top level makes said to be pure. */
const withPureValues = (path, text, mark) => {
  if (!SUSPECT.test(text)) return text;
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new SyntaxError(`${path}: ${errors[0].message}`);
  let [made, at] = ["", 0];
  for (const statement of program.body) {
    const declared = statement.declaration ?? statement;
    if (declared.type !== "VariableDeclaration") continue;
    for (const declaration of declared.declarations) {
      if (declaration.init === null) continue;
      made += text.slice(at, declaration.start) + replaced(text, declaration, mark);
      at = declaration.end;
    }
  }
  return made + text.slice(at);
};

/** Says it of modules in these folders; where comments are to be dropped, in a way that `marked` reads. */
export const pureValues = (folders, mark = "") => ({
  name: "pure values",
  setup(on) {
    on.onLoad({ filter: new RegExp(`[/\\\\](${folders.join("|")})[/\\\\][^.]*\\.ts$`) }, async ({ path }) => ({
      contents: withPureValues(path, await readFile(path, "utf8"), mark),
      loader: "ts",
    }));
  },
});

/** An import of a module that only the one who runs it knows: a user's own. Bundlers cannot look into it, and say so. */
const UNKNOWN = /\bimport\((?=[^"'`)])/g;

/** The text of a bundle, as bundlers read it. */
export const marked = (text) =>
  text.replaceAll(MARK, PURE).replace(UNKNOWN, "import(/* webpackIgnore: true */ /* @vite-ignore */ ");
