import type { DType } from "../../../../core/index.js";
import type { View } from "../../../plan/steps.js";
import type { Noted } from "./notes.js";
import type { Scoring } from "./scores.js";

/** Some sequences of a call, as both kernels see them. */
export interface GradientPart extends Noted {
  /** ct, q, k, v, position and, if there is one, from. */
  readonly inputs: readonly View[];
  readonly dtypes: readonly DType[];
  readonly scoring: Scoring;
  readonly dq: View;
  readonly dk: View;
  readonly dv: View;
}

export const LABEL = "attention.vjp";
