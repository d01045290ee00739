/** One source file → the file with all its mutants in it, each behind a switch, and the list of them. */
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseSync } from "oxc-parser";
import { root } from "../../build.mjs";
import { mutationsOf } from "./operators.mjs";

const childrenOf = (node) =>
  Object.entries(node).flatMap(([key, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((child) => typeof child?.type === "string")
      .map((child) => [key, child]),
  );

/** All nodes below one, types too. */
function* nodesOf(node) {
  yield node;
  for (const [, child] of childrenOf(node)) yield* nodesOf(child);
}

const keyName = ({ key }) => key?.name ?? key?.value;
const bound = (pattern) => [...nodesOf(pattern)].flatMap((node) => (node.type === "Identifier" ? [node.name] : []));

/** What types say about names, over all files that are mutated. */
const typesOf = (programs) => {
  const [keySets, unions, aliases, signatures] = [[], [], new Map(), new Map()];
  const kindsOf = (params) =>
    params.map(({ typeAnnotation: t, source }) => (t ? source.slice(t.start, t.end).replace(" | undefined", "") : ""));
  const withSource = (params, source) =>
    params.map((param) => ({ typeAnnotation: (param.left ?? param).typeAnnotation, source }));
  for (const { program, source } of programs)
    for (const node of nodesOf(program)) {
      if (node.type === "TSInterfaceBody") keySets.push(new Set(node.body.map(keyName)));
      if (node.type === "TSTypeLiteral") keySets.push(new Set(node.members.map(keyName)));
      if (node.type === "ObjectExpression" || node.type === "ObjectPattern")
        keySets.push(new Set(node.properties.map(keyName)));
      if (node.type === "TSUnionType") {
        const members = node.types.map((t) => t.literal?.value).filter((value) => typeof value === "string");
        if (members.length > 1) unions.push(members);
      }
      const alias = node.type === "TSTypeAliasDeclaration" ? node.typeAnnotation : undefined;
      if (alias?.type === "TSFunctionType") aliases.set(node.id.name, kindsOf(withSource(alias.params, source)));
      if (node.type === "VariableDeclarator" && node.init?.type === "ArrowFunctionExpression")
        signatures.set(node.id.name, kindsOf(withSource(node.init.params, source)));
    }
  // Functions and members whose type is an alias of a function type.
  for (const { program } of programs)
    for (const node of nodesOf(program)) {
      const named =
        node.type === "TSPropertySignature" ? node.key : node.type === "VariableDeclarator" ? node.id : null;
      const typed = node.typeAnnotation ?? node.id?.typeAnnotation;
      const alias = aliases.get(typed?.typeAnnotation?.typeName?.name);
      if (named?.name && alias) signatures.set(named.name, alias);
    }
  const likeTyped = (name) => {
    const kinds = signatures.get(name) ?? [];
    return kinds.flatMap((kind, i) => {
      const j = kinds.indexOf(kind, i + 1);
      return kind !== "" && kind !== ": string" && j > 0 ? [[i, j]] : [];
    });
  };
  return { unions, likeTyped, together: (a, b) => keySets.some((keys) => keys.has(a) && keys.has(b)) };
};

const FUNCTIONS = new Set(["ArrowFunctionExpression", "FunctionExpression", "FunctionDeclaration"]);
/** Places of a node in its parent that hold no expression, or one that must stay what it is. */
const keeps = (parent, key) =>
  (key === "key" && !parent.computed) ||
  (parent.type === "MemberExpression" && key === "property" && !parent.computed) ||
  (parent.type === "AssignmentExpression" && key === "left") ||
  (parent.type === "AssignmentPattern" && key === "left") ||
  (parent.type === "VariableDeclarator" && key === "id") ||
  (parent.type === "ForOfStatement" && key === "left") ||
  (FUNCTIONS.has(parent.type) && key === "params") ||
  parent.type === "ArrayPattern" ||
  parent.type === "RestElement" ||
  parent.type === "UpdateExpression" ||
  parent.type === "ChainExpression" ||
  parent.type === "TemplateLiteral" ||
  parent.type === "ImportDeclaration" ||
  parent.type === "ExportNamedDeclaration" ||
  parent.type === "ExportSpecifier";

/** Statements and nodes in which nothing is changed: messages, types, imports. */
const skipped = ({ type }) =>
  type.startsWith("TS") && !["TSAsExpression", "TSSatisfiesExpression", "TSNonNullExpression"].includes(type)
    ? true
    : ["ThrowStatement", "NewExpression", "TemplateLiteral", "ImportDeclaration"].includes(type);

/** Every place of a program where something may change: { start, end, texts, prefix, within }. */
const sitesOf = (program, source, types) => {
  const sites = [];
  const core = new Set();
  const frames = [new Set()];
  for (const node of program.body)
    if (node.type === "ImportDeclaration") {
      for (const { local } of node.specifiers) {
        frames[0].add(local.name);
        if (node.source.value.includes("/core/")) core.add(local.name);
      }
    }
  const declaredIn = (body) =>
    body.flatMap((statement) => {
      const { declarations = [] } = statement.declaration ?? statement;
      return declarations.flatMap(({ id }) => bound(id));
    });
  for (const name of declaredIn(program.body)) frames[0].add(name);
  const scope = { ...types, core, visible: (name) => frames.some((names) => names.has(name)) };

  const add = (node, texts, within, prefix = "") => {
    const original = source.slice(node.start, node.end);
    const different = [...new Set(texts)].filter((text) => text !== original);
    if (different.length > 0) sites.push({ start: node.start, end: node.end, texts: different, prefix, within });
  };
  const visit = (node, parent, key, within) => {
    if (skipped(node)) return;
    let frame;
    if (FUNCTIONS.has(node.type)) frame = new Set(node.params.flatMap(bound));
    if (node.type === "BlockStatement") frame = new Set(declaredIn(node.body));
    if (frame) frames.push(frame);
    const name = node.type === "VariableDeclarator" && within === "" ? (node.id.name ?? "") : within;
    const isCallee = parent?.type === "CallExpression" && key === "callee";
    if (node.type === "ExpressionStatement" && node.expression.type === "CallExpression")
      add(node.expression, ["undefined"], name);
    const pattern = parent?.type === "Property" && key === "value" && parent.inPattern;
    if (parent !== undefined && !keeps(parent, key) && !pattern) {
      const prefix = parent.type === "Property" && parent.shorthand ? `${node.name}: ` : "";
      const callable = isCallee && (node.type === "MemberExpression" || node.type === "Identifier");
      if (!isCallee || callable) add(node, mutationsOf(node, source, scope), name, prefix);
    }
    if (node.type === "IfStatement") add(node.test, [`!(${source.slice(node.test.start, node.test.end)})`], name);
    if (node.type === "ObjectPattern") for (const property of node.properties) property.inPattern = true;
    for (const [childKey, child] of childrenOf(node)) {
      // A shorthand property is one name: its key and its value are the same text.
      if (node.type === "Property" && node.shorthand && childKey === "key") continue;
      visit(child, node, childKey, name);
    }
    if (frame) frames.pop();
  };
  for (const node of program.body) visit(node, undefined, "", "");
  return sites;
};

/** The source with each site replaced by (switch ? mutant : … : original), inner sites within the original. */
const schemata = (source, sites) => {
  const sorted = [...sites].sort((a, b) => a.start - b.start || b.end - a.end);
  let next = 0;
  const render = (start, end) => {
    let [out, at] = ["", start];
    while (next < sorted.length && sorted[next].start < end) {
      const site = sorted[next++];
      out += source.slice(at, site.start);
      const inner = render(site.start, site.end);
      const choices = site.mutants.map(({ id, text }) => `__on(${id}) ? (${text}) : `).join("");
      out += `${site.prefix}(${choices}${inner})`;
      at = site.end;
    }
    return out + source.slice(at, end);
  };
  return render(0, source.length);
};

/** Sites of the same range are one: the mutants of both. */
const joined = (sites) => {
  const byRange = new Map();
  for (const site of sites) {
    const range = `${site.start}-${site.end}`;
    const known = byRange.get(range);
    if (known === undefined) byRange.set(range, { ...site });
    else {
      known.texts = [...new Set([...known.texts, ...site.texts])];
      known.prefix ||= site.prefix;
    }
  }
  return [...byRange.values()];
};

/**
 * Files (paths from the root) → { mutants: [{ id, file, line, within, original, text, nth }], sources: Map of file → the
 * source with all of them }. `nth` counts equal changes within one declaration.
 */
export const mutate = (files, context = files) => {
  const parsed = context.map((file) => {
    const source = readFileSync(join(root, file), "utf8");
    return { file, source, program: parseSync(file, source).program };
  });
  const types = typesOf(parsed);
  const [mutants, sources] = [[], new Map()];
  for (const { file, source, program } of parsed.filter(({ file }) => files.includes(file))) {
    const seen = new Map();
    const sites = joined(sitesOf(program, source, types)).sort((a, b) => a.start - b.start || b.end - a.end);
    for (const site of sites) {
      const original = source.slice(site.start, site.end);
      site.mutants = site.texts.map((text) => {
        const label = `${site.within}|${original}|${text}`;
        const nth = (seen.get(label) ?? 0) + 1;
        seen.set(label, nth);
        const line = source.slice(0, site.start).split("\n").length;
        const mutant = { id: mutants.length + 1, file, line, within: site.within, original, text, nth };
        mutants.push(mutant);
        return mutant;
      });
    }
    const core = relative(dirname(file), "core/index.js").replaceAll("\\", "/");
    sources.set(file, `import * as __core from "${core}"; ${schemata(source, sites)}`);
  }
  return { mutants, sources };
};
