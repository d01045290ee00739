/** Chat templates that would take for ever, or all memory: kinds, each with drawn sizes and operations. */
import { type Draw, pick } from "../mutate.js";

type Made = (draw: Draw) => string;

const power = (draw: Draw, from: number, to: number): number => 2 ** (from + draw(to - from + 1));
const loop = (times: number, body: string): string => `{% for i in range(${times}) %}${body}{% endfor %}`;
/** A value that is made anew of itself, again and again. */
const grown = (start: string, step: string, times: number): string =>
  `{% set ns = namespace(v=${start}) %}${loop(times, `{% set ns.v = ${step} %}`)}{{ ns.v|length }}`;

const TEXT_OPERATIONS = [
  ...[
    "trim",
    "title",
    "upper",
    "capitalize",
    "reverse",
    "list|length",
    "wordcount",
    "tojson",
    "float",
    "int",
    "string",
  ],
  ...["replace('a', 'bb')", "replace('', 'b')", "indent(9999)", "truncate(3)", "unique|list", "sort|list", "first"],
].map((name) => `|${name}`);
const METHODS = [
  ...["strip()", "lstrip()", "rstrip('a ')", "title()", "split()", "split('a')", "splitlines()", "count('a')"],
  ...["find('b')", "rfind('b')", "isalpha()", "swapcase()", "center(99999999)", "zfill(999999999)", "ljust(9, 'ab')"],
].map((name) => `.${name}`);

export const hostileTemplates: Readonly<Record<string, Made>> = {
  listDoubles: (draw) => grown(pick(draw, ["[1]", "(1,)", "['ab', 'c']"]), "ns.v + ns.v", 20 + draw(60)),
  textDoubles: (draw) =>
    grown(
      "'ab '",
      pick(draw, [
        ...["ns.v ~ ns.v", "ns.v + ns.v", "ns.v * 2", "ns.v|replace('a', 'aa')", "'%s%s' % (ns.v, ns.v)"],
        ...["'{0}{0}'.format(ns.v)", "[ns.v, ns.v]|join", "ns.v.join([ns.v, ns.v, ns.v])", "ns.v.replace('', ns.v)"],
        "ns.v|replace('b', ns.v)",
      ]),
      30 + draw(40),
    ),
  nestedDoubles: (draw) =>
    `{% set ns = namespace(v=[1], w=[1]) %}${loop(20 + draw(60), "{% set ns.v = [ns.v, ns.v] %}{% set ns.w = [ns.w, ns.w] %}")}` +
    pick(draw, ["{{ ns.v == ns.w }}", "{{ ns.v|tojson }}", "{{ ns.v }}", "{{ ns.v in [ns.w] }}", "{{ ns.v < ns.w }}"]),
  longText: (draw) => {
    const literal = pick(draw, ["a", " ", "a ", "\n", "1", "é", "-"]).repeat(power(draw, 16, 24));
    return `{{ ('${literal}b')${pick(draw, [...TEXT_OPERATIONS, ...METHODS])} }}`;
  },
  longTextOften: (draw) => {
    const size = power(draw, 10, 21);
    const what = pick(draw, [...TEXT_OPERATIONS, ...METHODS]);
    return `{% set t = 'a' * ${size} %}${loop(power(draw, 8, 17), `{% set u = t${what} %}`)}`;
  },
  longDates: (draw) =>
    `{{ strftime_now('${pick(draw, ["%c", "%-d %B", "x", "%Y"]).repeat(power(draw, 8, 18))}'${pick(draw, ["", " * 64"])}) }}`,
  blanks: (draw) => {
    const blank = pick(draw, [" ", "\t", "\n", " \n", "\u00a0"]).repeat(power(draw, 10, 18));
    return pick(draw, [
      `a${blank}x{%- if true %}b{% endif %}`,
      `${`${blank}x`.repeat(4)}{{- 1 }}`,
      `{{ 1 -}}${blank}`,
      `{%${blank}`,
      `{% raw${blank}`,
      `{%${blank}raw %}`.repeat(4),
      `{#${blank}`,
    ]);
  },
  braces: (draw) =>
    pick(draw, ["{{", "{%", "{#", "{{ (", "{% if 1 %}", "{{ [", "{{ {'a': ", "{{ not ", "{{ -", "{% raw %}"]).repeat(
      power(draw, 8, 19),
    ),
  closed: (draw) => {
    const depth = power(draw, 8, 16);
    const [open, close] = pick(draw, ["()", "[]"]);
    return `{{ ${open.repeat(depth)}1${close.repeat(depth)} }}`;
  },
  chains: (draw) => {
    const part = pick(draw, [
      "|trim",
      ".a",
      " + 1",
      " ~ 'a'",
      " if 1 else 2",
      " and 1",
      "[0]",
      "()",
      " == 1",
      " is defined",
    ]);
    return `{{ a${part.repeat(power(draw, 8, 17))} }}`;
  },
  manyArguments: (draw) => `{{ f(${"1,".repeat(power(draw, 8, 18))}1) }}`,
  elifs: (draw) => `{% if 0 %}${"{% elif 0 %}".repeat(power(draw, 6, 15))}{% endif %}`,
  recursion: (draw) =>
    pick(draw, [
      "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
      "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(0) }}",
      "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      `{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(${20 + draw(40)}) }}`,
    ]),
  macros: (draw) => loop(power(draw, 8, 17), `{% macro f() %}${"{{ a }}".repeat(power(draw, 4, 12))}{% endmacro %}`),
  loops: (draw) => {
    const n = power(draw, 8, 40);
    return pick(draw, [
      loop(n, loop(n, loop(n, "x"))),
      `{{ range(${n})|list|length }}`,
      `{{ [1] * ${n} }}`,
      `{{ [] * ${n} }}`,
      `{{ '' * ${n} }}`,
      `{{ 'ab' * ${n} }}`,
      `{{ range(${n})|batch(${n}, 0)|list|length }}`,
      `{{ [1]|batch(${n}, 0)|list|length }}`,
      `{{ [1]|slice(${n})|list|length }}`,
      `{{ range(100000)|map('string')|map('length')|sum }}`,
    ]);
  },
  quadratic: (draw) => {
    const n = power(draw, 8, 16);
    return pick(draw, [
      `{{ range(${n})|unique|list|length }}`,
      `{% set l = range(${n})|list %}${loop(n, "{% if 'x' in l %}{% endif %}")}`,
      `{% set l = range(${n})|list %}{{ l|sum(start=[]) }}`,
      `{% set l = [[1]] * ${n} %}{{ l|sum(start=[])|length }}`,
      `{% set l = ['${"a".repeat(1000)}'] * ${n} %}{{ l|sort|length }}`,
      `{% set l = range(${n})|list %}${loop(n, "{% set m = l[1:] %}")}`,
      `{{ range(${n})|map(attribute='${"a.".repeat(n)}a')|list }}`,
      `{{ range(${n})|groupby('real')|length }}`,
    ]);
  },
  formats: (draw) => {
    const n = power(draw, 8, 18);
    return pick(draw, [
      `{{ ('%(' * ${n}) % {} }}`,
      `{{ '${"%(".repeat(n)}' % {} }}`,
      `{{ '{0${"[".repeat(n)}}'.format(1) }}`,
      `{{ '${"{:99999}".repeat(n)}'.format(${"1,".repeat(99)}1) }}`,
      `{{ '${"{0:99999}".repeat(n)}'.format(1) }}`,
      `{{ '${"%99999d".repeat(n)}' % (${"1,".repeat(99)}1) }}`,
      `{{ '%.99999999999f' % 1 }}`,
      `{{ '{:>9999999999}'.format(1) }}`,
      `{{ '{${"a".repeat(n)}'.format(1) }}`,
    ]);
  },
  numbers: (draw) => {
    const digits = pick(draw, ["1", "1_", "0", "9"]).repeat(power(draw, 8, 19));
    return `{{ ${pick(draw, [`'${digits}x'|float`, `'${digits}x'|int`, `${digits}`, `${digits}x`, `1.5 ** ${digits}`, `1|round(${digits})`])} }}`;
  },
  tojson: (draw) => `{{ [[[[1, 2]]]]|tojson(indent='${" ".repeat(power(draw, 4, 19))}') }}`,
  names: (draw) =>
    pick(draw, [
      "{% set a = 1 %}",
      "{{ a }}",
      "{% generation %}x{% endgeneration %}",
      "{% macro f() %}{% endmacro %}",
    ]).repeat(power(draw, 8, 16)),
};

/** The conversation that they are rendered for. */
export const spoken = [
  { role: "system", content: "be brief" },
  { role: "user", content: "hello there" },
  { role: "assistant", content: "hello" },
];
