/** The form of an alignment: what is in it, as settings. */
import { BRANCH_NAMES, BRANCHES, type BranchName, KNOBS, type KnobName, type Knobs } from "../lab/settings.js";
import { byId, el } from "../ui/element.js";
import { short } from "../ui/numbers.js";
import { slider } from "../ui/slider.js";
import type { Alignment } from "./messages.js";

/** Real models take smaller steps than the lab's, and τ of theirs is larger than an update by more. */
const VALUES: Readonly<Partial<Record<KnobName, readonly number[]>>> = {
  learningRate: [1e-7, 3e-7, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3],
  alpha: [0, 1e-7, 3e-7, 1e-6, 3e-6, 1e-5, 1e-4, 1e-3, 0.01],
};
const USUAL: Required<Knobs> = { learningRate: 1e-5, beta: 0.1, alpha: 1e-6, reserveP: 0.3, onlineStep: 1 };

/** Builds what depends on others. Gives what reads the form. */
export const openForm = (): { readonly alignment: () => Alignment; readonly pairs: () => File | undefined } => {
  const optim = byId<HTMLSelectElement>("optim");
  optim.append(...BRANCH_NAMES.map((name) => el("option", { value: name }, BRANCHES[name].title)));
  let knobs: Required<Knobs> = USUAL;
  const name = (): BranchName => optim.value as BranchName;
  const used = (): KnobName[] => Object.keys(BRANCHES[name()].knobs) as KnobName[];
  const draw = (): void => {
    byId("base-field").hidden = !used().includes("alpha");
    byId("align-knobs").replaceChildren(
      ...used().map((knob) =>
        slider({
          ...KNOBS[knob],
          ...{ id: `align-${knob}`, values: VALUES[knob] ?? KNOBS[knob].values, value: knobs[knob], textOf: short },
          onChange: (value) => {
            knobs = { ...knobs, [knob]: value };
          },
        }),
      ),
    );
  };
  optim.addEventListener("change", draw);
  draw();
  const number = (id: string): number => byId<HTMLInputElement>(id).valueAsNumber;
  return {
    alignment: () => ({
      optim: name(),
      knobs: Object.fromEntries(used().map((knob) => [knob, knobs[knob]])) as unknown as Knobs,
      ...{ steps: number("steps"), batch: number("batch"), maxLength: number("length") },
      lora: byId<HTMLInputElement>("lora").checked,
    }),
    pairs: () => byId<HTMLInputElement>("pairs").files?.[0],
  };
};
