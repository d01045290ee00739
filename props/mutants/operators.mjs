/**
 * What the runner changes: for one node of the syntax tree, the texts that could stand in its place. Each of them has the
 * type of the original, as far as syntax tells, so that a mutant dies by its numbers and not by a crash.
 */

/** Operations whose exchange is a plausible slip. */
const EXCHANGED = {
  add: ["sub"],
  sub: ["add"],
  mul: ["div"],
  div: ["mul"],
  less: ["lessEqual", "greater"],
  lessEqual: ["less"],
  greater: ["greaterEqual", "less"],
  greaterEqual: ["greater", "lessEqual"],
  maximum: ["minimum"],
  minimum: ["maximum"],
  and: ["or"],
  or: ["and"],
  sum: ["mean"],
  exp: ["log"],
  log: ["exp"],
};
/** Operations that are left out: f(x) → x. */
const DROPPED = new Set(
  "neg abs not stopGradient sqrt square sign exp log logSigmoid sigmoid floor foldIn foldInName".split(" "),
);
/** Calls whose arguments at these places are exchanged. */
const SWAPPED = { sub: [0, 1], div: [0, 1], where: [1, 2], less: [0, 1], greater: [0, 1], greaterEqual: [0, 1] };
/** What leaves the other operand as it is. */
const NEUTRAL = { add: "0", sub: "0", mul: "1", div: "1" };
/** Operations that give their operand when both sides are the same: one side is dropped. */
const IDEMPOTENT = new Set(["minimum", "maximum", "and", "or"]);
const INFIX = { "+": "-", "-": "+", "*": "/", "/": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">" };
const NEGATED = { "===": "!==", "!==": "===", "&&": "||", "||": "&&" };
const METHODS = { some: "every", every: "some" };
const MATH = { min: "max", max: "min", floor: "ceil", ceil: "floor", cos: "sin", sqrt: "abs" };
/** Names that stand side by side, and are mistaken for one another. */
const TWINS = [
  ["delta", "tau"],
  ["chosen", "rejected"],
  ["policy", "reference"],
  ["m", "v"],
  ["a", "b"],
  ["beta1", "beta2"],
  ["correction1", "correction2"],
  ["weightedVote", "unweightedVote"],
  ["weightedSum", "weightedVote"],
  ["w", "grad"],
  ["params", "grads"],
  ["entropy", "correct"],
];

const calls = (node) => node.type === "CallExpression" && node.callee.type === "Identifier";
const isText = (node) => node.type === "TemplateLiteral" || (node.type === "Literal" && typeof node.value === "string");
const isZero = (node) => node.type === "Literal" && node.value === 0;

/** The other name of a twin, also as the first word of a longer one: chosenReward ↔ rejectedReward. */
export const twinsOf = (name) =>
  TWINS.flatMap(([a, b]) =>
    [
      [a, b],
      [b, a],
    ].flatMap(([from, to]) => {
      if (name === from) return [to];
      return from.length > 2 && name.startsWith(from) && /[A-Z]/.test(name[from.length])
        ? [to + name.slice(from.length)]
        : [];
    }),
  );

/** f(…) of core, of which `text` gives the source of each argument. */
const ofCore = (name, text) => {
  const put = (at, value) => text.map((argument, i) => (i === at ? value : argument)).join(", ");
  const out = (EXCHANGED[name] ?? []).map((other) => `__core.${other}(${text.join(", ")})`);
  if (DROPPED.has(name)) out.push(text[0]);
  const [i, j] = SWAPPED[name] ?? [];
  if (i !== undefined) {
    const swapped = [...text];
    [swapped[i], swapped[j]] = [text[j], text[i]];
    out.push(`__core.${name}(${swapped.join(", ")})`);
  }
  const neutral = NEUTRAL[name];
  if (neutral !== undefined) {
    if (name === "add" || name === "mul") out.push(`__core.${name}(${put(0, neutral)})`);
    out.push(`__core.${name}(${put(1, neutral)})`);
  }
  if (IDEMPOTENT.has(name)) out.push(`__core.${name}(${put(1, text[0])})`, `__core.${name}(${put(0, text[1])})`);
  if (name === "where") out.push(`__core.where(${put(2, text[1])})`, `__core.where(${put(1, text[2])})`);
  return out;
};

const numbers = (value) => {
  if (value === 0) return ["1"];
  if (value === 1) return ["0", "2"];
  return Number.isInteger(value) ? ["1", String(value + 1)] : [String(value / 2), String(-value)];
};

/**
 * The texts that may replace a node. `scope`: { core: names imported from core/, visible(name), together(a, b): do the
 * names occur as keys of one type, unions: lists of strings that make up a type, likeTyped(name): places of arguments of a
 * function that have one type }.
 */
export const mutationsOf = (node, source, scope) => {
  const text = (of) => source.slice(of.start, of.end);
  switch (node.type) {
    case "CallExpression": {
      const { callee, arguments: given } = node;
      const texts = given.map(text);
      if (given.some(({ type }) => type === "SpreadElement")) return [];
      if (calls(node) && scope.core.has(callee.name)) return ofCore(callee.name, texts);
      if (callee.type !== "Identifier" && callee.type !== "MemberExpression") return [];
      const called = callee.type === "Identifier" ? callee.name : callee.property.name;
      const out = scope.likeTyped(called).flatMap(([i, j]) => {
        if (j >= texts.length) return [];
        const swapped = [...texts];
        [swapped[i], swapped[j]] = [texts[j], texts[i]];
        return [`${text(callee)}(${swapped.join(", ")})`];
      });
      if (callee.type !== "MemberExpression") return out;
      const other = callee.object.name === "Math" ? MATH[called] : METHODS[called];
      return other === undefined ? out : [...out, `${text(callee.object)}.${other}(${texts.join(", ")})`];
    }
    case "BinaryExpression": {
      const { operator, left, right } = node;
      const [l, r] = [text(left), text(right)];
      if (NEGATED[operator] !== undefined) return [`${l} ${NEGATED[operator]} ${r}`];
      if (INFIX[operator] === undefined || isText(left) || isText(right)) return [];
      const out = [`${l} ${INFIX[operator]} (${r})`];
      if ("+-*/".includes(operator)) {
        if (!isZero(right)) out.push(l);
        if (operator === "+" || operator === "*") out.push(r);
      } else if (operator.startsWith("<") || operator.startsWith(">"))
        out.push(`${l} ${operator.startsWith("<") ? ">=" : "<="} ${r}`);
      return out;
    }
    case "LogicalExpression": {
      const [l, r] = [text(node.left), text(node.right)];
      if (node.operator === "??") return [r];
      return [`(${l}) ${NEGATED[node.operator]} (${r})`, l, r];
    }
    case "UnaryExpression":
      return node.operator === "!" || node.operator === "-" ? [text(node.argument)] : [];
    case "ConditionalExpression":
      return [`(${text(node.test)}) ? (${text(node.alternate)}) : (${text(node.consequent)})`];
    case "Literal":
      if (typeof node.value === "number") return numbers(node.value);
      if (typeof node.value === "boolean") return [String(!node.value)];
      if (typeof node.value !== "string") return [];
      return scope.unions
        .filter((members) => members.includes(node.value))
        .map((members) => JSON.stringify(members[(members.indexOf(node.value) + 1) % members.length]));
    case "Identifier":
      return twinsOf(node.name).filter(scope.visible);
    case "MemberExpression":
      if (node.computed) return [];
      return twinsOf(node.property.name)
        .filter((other) => scope.together(node.property.name, other))
        .map((other) => `${text(node.object)}.${other}`);
    default:
      return [];
  }
};
