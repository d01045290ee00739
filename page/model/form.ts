/** The form of an alignment: what is in it, as settings. */
import { BRANCH_NAMES, BRANCHES, type BranchName, KNOBS, type KnobName, type Knobs } from "../lab/settings.js";
import { byId, el } from "../ui/element.js";
import { short } from "../ui/numbers.js";
import { slider } from "../ui/slider.js";
import { LOSSES, type LossName } from "./losses.js";
import type { Alignment } from "./messages.js";

/** Real models take smaller steps than the lab's, and τ of theirs is larger than an update by more. */
const VALUES: Readonly<Partial<Record<KnobName, readonly number[]>>> = {
  learningRate: [1e-7, 3e-7, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3],
  alpha: [0, 1e-7, 3e-7, 1e-6, 3e-6, 1e-5, 1e-4, 1e-3, 0.01],
};
const USUAL: Required<Knobs> = { learningRate: 1e-5, beta: 0.1, alpha: 1e-6, reserveP: 0.3, onlineStep: 1 };

export interface Form {
  readonly alignment: () => Alignment;
  readonly pairs: () => File | undefined;
  /** Fills it in. */
  readonly show: (alignment: Alignment, pairs: File) => void;
  readonly setPairs: (pairs: File) => void;
}

/** Builds what depends on others. Gives what reads and fills the form. */
export const openForm = (): Form => {
  const [optim, loss] = [byId<HTMLSelectElement>("optim"), byId<HTMLSelectElement>("loss")];
  const [lora, pairs] = [byId<HTMLInputElement>("lora"), byId<HTMLInputElement>("pairs")];
  optim.append(...BRANCH_NAMES.map((name) => el("option", { value: name }, BRANCHES[name].title)));
  loss.append(...Object.entries(LOSSES).map(([name, { title }]) => el("option", { value: name }, title)));
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
  const number = (id: string): HTMLInputElement => byId<HTMLInputElement>(id);
  const [steps, batch, length] = ["steps", "batch", "length"].map(number);
  const setPairs = (file: File): void => {
    const chosen = new DataTransfer();
    chosen.items.add(file);
    pairs.files = chosen.files;
  };
  return {
    alignment: () => ({
      ...{ optim: name(), loss: loss.value as LossName },
      knobs: Object.fromEntries(used().map((knob) => [knob, knobs[knob]])) as unknown as Knobs,
      ...{ steps: steps.valueAsNumber, batch: batch.valueAsNumber, maxLength: length.valueAsNumber },
      lora: lora.checked,
    }),
    pairs: () => pairs.files?.[0],
    show: (alignment, file) => {
      setPairs(file);
      [optim.value, loss.value, lora.checked] = [alignment.optim, alignment.loss, alignment.lora];
      [steps.valueAsNumber, batch.valueAsNumber] = [alignment.steps, alignment.batch];
      length.valueAsNumber = alignment.maxLength;
      knobs = { ...knobs, ...alignment.knobs };
      draw();
    },
    setPairs,
  };
};
