import { bounded, checkLength } from "./arguments.js";
import { floatText } from "./text.js";
import { characters, isA, isFloat, isList, key, numberOf, repr, str, typeName, type Value } from "./values.js";

/** How a value is to be written; the parts of a format's specification. */
interface Layout {
  readonly fill: string;
  readonly align: string;
  readonly sign: string;
  readonly alternate: boolean;
  readonly width: number;
  readonly commas: string;
  readonly precision: number | undefined;
  readonly type: string;
}

/** ±digits of a float in one of Python's kinds: f, e, g, %. */
const floatDigits = (value: number, type: string, precision = 6): string => {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : "inf";
  const exponent = (text: string): string => text.replace(/e([+-])(\d)$/, "e$10$2");
  if (type === "%") return `${fixed(value * 100, precision)}%`;
  if (type === "f") return fixed(value, precision);
  if (type === "e") return exponent(value.toExponential(precision));
  const digits = precision === 0 ? 1 : precision;
  const power = value === 0 ? 0 : Number(value.toExponential(digits - 1).split("e")[1]);
  const short = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (power >= -4 && power < digits) return short(fixed(value, digits - 1 - power));
  const [mantissa, rest] = value.toExponential(digits - 1).split("e");
  return exponent(`${short(mantissa)}e${rest}`);
};

const fixed = (value: number, precision: number): string => {
  if (Math.abs(value) >= 1e21 || precision > 100) throw new Error(`${value} is too large to be formatted`);
  return value.toFixed(precision);
};

const intDigits = (value: number, type: string, alternate: boolean): string => {
  const bases: Readonly<Record<string, readonly [number, string]>> = {
    x: [16, "0x"],
    X: [16, "0X"],
    o: [8, "0o"],
    b: [2, "0b"],
  };
  if (!Object.hasOwn(bases, type)) return String(value);
  const [base, prefix] = bases[type];
  const digits = value.toString(base);
  return (alternate ? prefix : "") + (type === "X" ? digits.toUpperCase() : digits);
};

const grouped = (digits: string, by: string): string => {
  const [, whole, rest] = /^(\d*)(.*)$/.exec(digits) as RegExpExecArray;
  return by === "" ? digits : whole.replace(/\B(?=(?:\d{3})+$)/g, by) + rest;
};

const laidOut = (value: Value, layout: Layout): string => {
  const { fill, align, sign, alternate, width, commas, precision, type } = layout;
  const number = numberOf(value);
  const isText = type === "s" || type === "r" || number === undefined || (typeof value === "boolean" && type === "");
  if (isText) {
    if (!["", "s", "r"].includes(type)) throw new Error(`format "${type}" needs a number, not '${typeName(value)}'`);
    const text = type === "r" ? repr(value) : str(value);
    const cut = precision === undefined ? text : characters(text).slice(0, precision).join("");
    return padded(cut, "", fill, align === "" ? "<" : align, width);
  }
  const size = Math.abs(number);
  const [floats, ints] = [
    ["f", "F", "e", "E", "g", "G", "%"],
    ["d", "x", "X", "o", "b"],
  ];
  let digits: string;
  if (type === "" && precision === undefined) digits = isFloat(value) ? floatText(size) : String(size);
  else if (type === "" || floats.includes(type)) {
    digits = floatDigits(size, type === "" ? "g" : type.toLowerCase(), precision);
    if (/[FEG]/.test(type)) digits = digits.toUpperCase();
  } else if (ints.includes(type) && !isFloat(value)) digits = intDigits(size, type, alternate);
  else throw new Error(`format "${type}" is not supported for '${typeName(value)}'`);
  const minus = number < 0 || Object.is(number, -0) ? "-" : sign === "-" ? "" : sign;
  return padded(grouped(digits, commas), minus, fill, align === "" ? ">" : align, width);
};

const padded = (text: string, sign: string, fill: string, align: string, width: number): string => {
  const missing = Math.max(0, width - characters(sign + text).length);
  if (missing > 100_000) throw new Error(`a width of ${width} is too large`);
  if (align === "=") return sign + fill.repeat(missing) + text;
  const left = align === "<" ? 0 : align === "^" ? missing >> 1 : missing;
  return fill.repeat(left) + sign + text + fill.repeat(missing - left);
};

/** Passes texts on that are put into another of so many characters, as long as they fit. */
const counter = (start: number): ((text: string) => string) => {
  let length = start;
  return (text) => {
    length += text.length;
    checkLength(length);
    return text;
  };
};

const PERCENT = /%(?:\(([^)]{0,200})\))?([-+ 0#]*)(\*|\d+)?(?:\.(\*|\d+))?([\s\S]|$)/g;

/** Python's text % values. Errors: Error for conversions that are not supported, and too many or too few values. */
export const percent = (format: string, values: Value): string => {
  const list = isA("tuple", values) ? values.items : [values];
  const counted = counter(format.length);
  let [next, isNamed] = [0, false];
  const take = (): Value => {
    if (next >= list.length) throw new Error("not enough arguments for format string");
    return list[next++];
  };
  const out = format.replace(PERCENT, (whole, name?: string, flags = "", width = "", precision = "", type = "") => {
    if (type === "%") return "%";
    if (width === "*" || precision === "*" || !/[srdiufFeEgGxXo]/.test(type))
      throw new Error(`format ${JSON.stringify(whole)} is not supported`);
    isNamed ||= name !== undefined;
    const value = name === undefined ? take() : named(values, name);
    const isInt = /[diu]/.test(type);
    const number = numberOf(value);
    const left = flags.includes("-");
    return counted(
      laidOut(isInt && number !== undefined ? Math.trunc(number) : value, {
        fill: flags.includes("0") && !left && !/[sr]/.test(type) ? "0" : " ",
        align: left ? "<" : flags.includes("0") && !/[sr]/.test(type) ? "=" : ">",
        sign: flags.includes("+") ? "+" : flags.includes(" ") ? " " : "-",
        alternate: flags.includes("#"),
        width: Number(width),
        commas: "",
        precision: precision === "" ? undefined : Number(precision),
        type: isInt ? "d" : type,
      }),
    );
  });
  if (!isNamed && next < list.length && !(values instanceof Map) && !isList(values))
    throw new Error("not all arguments converted during string formatting");
  return bounded(out);
};

const named = (values: Value, name: string): Value => {
  if (!(values instanceof Map)) throw new Error("format requires a mapping");
  const value = values.get(key(name));
  if (value === undefined) throw new Error(`KeyError: '${name}'`);
  return value;
};

const SPEC = /^(?:([\s\S])?([<>^=]))?([-+ ]?)(#?)(0?)(\d*)([,_]?)(?:\.(\d+))?([a-zA-Z%]?)$/u;

/** Python's format(value, spec). */
const formatted = (value: Value, spec: string): string => {
  const match = SPEC.exec(spec);
  if (match === null) throw new Error(`format "${spec}" is not supported`);
  const [, fill, align = "", sign, alternate, zero, width, commas, precision, type] = match;
  if (spec !== "" && numberOf(value) === undefined && typeof value !== "string")
    throw new Error(`a format for '${typeName(value)}' is not supported`);
  return laidOut(value, {
    fill: fill ?? (zero === "0" ? "0" : " "),
    align: align === "" && zero === "0" ? "=" : align,
    sign: sign === "" ? "-" : sign,
    alternate: alternate === "#",
    width: Number(width),
    commas,
    precision: precision === undefined ? undefined : Number(precision),
    type,
  });
};

const FIELD = /\{\{|\}\}|\{([^{}!:]*)(?:!([rs]))?(?::([^{}]*))?\}|[{}]/g;

/** Python's str.format. `get` reads a field's attributes and items. */
export const format = (
  text: string,
  list: readonly Value[],
  byName: ReadonlyMap<string, Value>,
  get: (value: Value, name: string, isItem: boolean) => Value,
): string => {
  const counted = counter(text.length);
  let next = 0;
  return bounded(
    text.replace(FIELD, (whole, field?: string, conversion?: string, spec = "") => {
      if (whole === "{{" || whole === "}}") return whole[0];
      if (field === undefined)
        throw new Error(`format ${JSON.stringify(text)} has a brace that is not closed, or nested`);
      const [, start, path] = /^([^.[]*)([\s\S]*)$/.exec(field) as RegExpExecArray;
      const first = start === "" ? list[next++] : /^\d+$/.test(start) ? list[Number(start)] : byName.get(start);
      if (first === undefined) throw new Error(`format has no value for {${field}}`);
      const steps = [...path.matchAll(/\.([^.[]+)|\[([^\][]+)\]/g)];
      const value = steps.reduce((at, [, name, item]) => get(at, name ?? item, name === undefined), first);
      return counted(formatted(conversion === undefined ? value : conversion === "r" ? repr(value) : str(value), spec));
    }),
  );
};
