/** How far an alignment is: its progress, the margins of its steps, and its numbers. */
import { byId, el } from "../ui/element.js";
import { drawLine } from "../ui/line.js";
import { milliseconds, percent } from "../ui/numbers.js";
import type { Margin, Step } from "./messages.js";

/** A term and what it is, of a list. */
export const entry = (term: string, value: string): HTMLElement =>
  el("div", {}, el("dt", {}, term), el("dd", {}, value));

export interface Curve {
  /** Begins anew, or with margins of before. */
  readonly begin: (margins: readonly Margin[]) => void;
  readonly step: (step: Step, steps: number) => void;
}

export const openCurve = (): Curve => {
  const progress = byId<HTMLProgressElement>("align-progress");
  const line = document.querySelector("#margins") as SVGSVGElement;
  let margins: Margin[] = [];
  return {
    begin: (before) => {
      margins = [...before];
      progress.hidden = true;
      line.setAttribute("hidden", "");
      byId("align-numbers").replaceChildren();
    },
    step: ({ step, loss, margin, accuracy, milliseconds: time }, steps) => {
      margins.push(margin ?? null);
      [progress.hidden, progress.value] = [false, step / steps];
      line.removeAttribute("hidden");
      drawLine(line, margins, steps);
      const known = margin === undefined ? "none" : margin.toFixed(3);
      line.setAttribute("aria-label", `Reward margin by step: ${known} at step ${step} of ${steps}`);
      byId("align-numbers").replaceChildren(
        ...[entry("step", `${step} of ${steps}`), entry("a step", milliseconds(time)), entry("loss", loss.toFixed(3))],
        ...(margin === undefined ? [] : [entry("margin", known)]),
        ...(accuracy === undefined ? [] : [entry("ranked right", percent(accuracy))]),
      );
    },
  };
};
