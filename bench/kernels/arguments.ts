import { parseArgs } from "node:util";
import { InputError } from "../../core/index.js";
import { CARDS, type CardName } from "../cards.js";
import { SHAPES, type ShapeName } from "../shapes.js";

const options = {
  model: { type: "string" },
  shapes: { type: "string", default: "a,b,c" },
  length: { type: "string", default: "1024" },
  pairs: { type: "string", default: "1" },
  optim: { type: "string", default: "ondare" },
  precision: { type: "string", default: "f32" },
  card: { type: "string", default: "h100" },
  adapter: { type: "string" },
  top: { type: "string", default: "24" },
  compile: { type: "string" },
} as const;

const oneOf = <K extends string>(name: string, given: string, known: readonly K[]): K => {
  if (!(known as readonly string[]).includes(given))
    throw new InputError(`--${name} ${given}: use ${known.join(", ")}`);
  return given as K;
};

const whole = (name: string, given: string): number => {
  if (!/^[1-9]\d*$/.test(given)) throw new InputError(`--${name} ${given}: use a whole number from 1 on`);
  return Number(given);
};

const parsed = (args: readonly string[]) => {
  try {
    return parseArgs({ options, args: [...args] }).values;
  } catch (error) {
    throw new InputError(error instanceof Error ? error.message : String(error));
  }
};

/** What the kernel table is asked for. Errors: InputError for what it does not know. */
export const readArguments = (args: readonly string[]) => {
  const { card, shapes, length, pairs, precision, top, ...rest } = parsed(args);
  return {
    ...rest,
    card: CARDS[oneOf("card", card, Object.keys(CARDS) as CardName[])],
    shapes: shapes.split(",").map((name) => oneOf("shapes", name, Object.keys(SHAPES) as ShapeName[])),
    length: whole("length", length),
    pairs: whole("pairs", pairs),
    precision: oneOf("precision", precision, ["f32", "f16"] as const),
    top: whole("top", top),
  };
};
