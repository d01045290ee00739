/** Rewrites, in order, that protect the dots which end no sentence (as \u0001) and mark the ends (as \u0002). */
const STARTERS =
  "(Mr|Mrs|Ms|Dr|Prof|Capt|Cpt|Lt|He\\s|She\\s|It\\s|They\\s|Their\\s|Our\\s|We\\s|But\\s|However\\s|That\\s|This\\s|Wherever)";
const rewrites: readonly (readonly [RegExp, string | ((found: string) => string)])[] = [
  [/\n/g, " "],
  [/(Mr|St|Mrs|Ms|Dr)[.]/g, "$1\u0001"],
  [/[.](com|net|org|io|gov|edu|me)/g, "\u0001$1"],
  [/([0-9])[.]([0-9])/g, "$1\u0001$2"],
  [/\.{2,}/g, (dots) => `${"\u0001".repeat(dots.length)}\u0002`],
  [/Ph\.D\./g, "Ph\u0001D\u0001"],
  [/\s([A-Za-z])[.] /g, " $1\u0001 "],
  [new RegExp(`([A-Z][.][A-Z][.](?:[A-Z][.])?) ${STARTERS}`, "g"), "$1\u0002 $2"],
  [/([A-Za-z])[.]([A-Za-z])[.]([A-Za-z])[.]/g, "$1\u0001$2\u0001$3\u0001"],
  [/([A-Za-z])[.]([A-Za-z])[.]/g, "$1\u0001$2\u0001"],
  [new RegExp(` (Inc|Ltd|Jr|Sr|Co)[.] ${STARTERS}`, "g"), " $1\u0002 $2"],
  [/ (Inc|Ltd|Jr|Sr|Co)[.]/g, " $1\u0001"],
  [/ ([A-Za-z])[.]/g, " $1\u0001"],
  [/\.”/g, "”."],
  [/\."/g, '".'],
  [/!"/g, '"!'],
  [/\?"/g, '"?'],
  [/([.?!])/g, "$1\u0002"],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the marks set above
  [/\u0001/g, "."],
];

/** The sentences of a text, split as IFEval's `split_into_sentences` does. */
export const sentences = (text: string): readonly string[] => {
  const marked = rewrites.reduce((t, [from, to]) => t.replace(from, to as string), ` ${text}  `);
  const parts = marked.split("\u0002").map((part) => part.trim());
  return parts[parts.length - 1] === "" ? parts.slice(0, -1) : parts;
};
