import { SPACE, strip } from "./python.js";

/** Rewrites, in order, that protect the dots which end no sentence (as <prd>) and mark the ends (as <stop>). */
const STARTERS = `(Mr|Mrs|Ms|Dr|Prof|Capt|Cpt|Lt|(?:He|She|It|They|Their|Our|We|But|However|That|This)[${SPACE}]|Wherever)`;
const rewrites: readonly (readonly [RegExp, string | ((found: string) => string)])[] = [
  [/\n/g, " "],
  [/(Mr|St|Mrs|Ms|Dr)[.]/g, "$1<prd>"],
  [/[.](com|net|org|io|gov|edu|me)/g, "<prd>$1"],
  [/([0-9])[.]([0-9])/g, "$1<prd>$2"],
  [/\.{2,}/g, (dots) => `${"<prd>".repeat(dots.length)}<stop>`],
  [/Ph\.D\./g, "Ph<prd>D<prd>"],
  [new RegExp(`[${SPACE}]([A-Za-z])[.] `, "g"), " $1<prd> "],
  [new RegExp(`([A-Z][.][A-Z][.](?:[A-Z][.])?) ${STARTERS}`, "g"), "$1<stop> $2"],
  [/([A-Za-z])[.]([A-Za-z])[.]([A-Za-z])[.]/g, "$1<prd>$2<prd>$3<prd>"],
  [/([A-Za-z])[.]([A-Za-z])[.]/g, "$1<prd>$2<prd>"],
  [new RegExp(` (Inc|Ltd|Jr|Sr|Co)[.] ${STARTERS}`, "g"), " $1<stop> $2"],
  [/ (Inc|Ltd|Jr|Sr|Co)[.]/g, " $1<prd>"],
  [/ ([A-Za-z])[.]/g, " $1<prd>"],
  [/\.”/g, "”."],
  [/\."/g, '".'],
  [/!"/g, '"!'],
  [/\?"/g, '"?'],
  [/([.?!])/g, "$1<stop>"],
  [/<prd>/g, "."],
];

/** The sentences of a text, split as IFEval's `split_into_sentences` does. */
export const sentences = (text: string): readonly string[] => {
  const marked = rewrites.reduce((t, [from, to]) => t.replace(from, to as string), ` ${text}  `);
  const parts = marked.split("<stop>").map((part) => strip(part));
  return parts[parts.length - 1] === "" ? parts.slice(0, -1) : parts;
};
