import { el } from "./element.js";

export interface SliderOptions {
  readonly id: string;
  readonly symbol: string;
  readonly name: string;
  readonly about: string;
  readonly values: readonly number[];
  readonly value: number;
  readonly textOf: (value: number) => string;
  /** Called once it is let go of. */
  readonly onChange: (value: number) => void;
}

/** A slider over values that are given, with its name and its value beside it. */
export const slider = ({ id, symbol, name, about, values, value, textOf, onChange }: SliderOptions): HTMLElement => {
  const at = Math.max(0, values.indexOf(value));
  const text = (place: number): string => textOf(values[place]);
  const output = el("output", { for: id }, text(at));
  const input = el("input", {
    ...{ id, type: "range", min: 0, max: values.length - 1, step: 1, value: at },
    ...{ "aria-valuetext": text(at), "aria-describedby": `${id}-about` },
  });
  input.addEventListener("input", () => {
    output.value = text(input.valueAsNumber);
    input.setAttribute("aria-valuetext", output.value);
  });
  input.addEventListener("change", () => onChange(values[input.valueAsNumber]));
  return el(
    "div",
    { class: "slider", title: about },
    el(
      "label",
      { for: id },
      el("b", { "aria-hidden": "true" }, symbol),
      el("span", { class: "knob-name" }, ` ${name}`),
    ),
    input,
    output,
    el("span", { id: `${id}-about`, class: "unseen" }, about),
  );
};
