import type { SingleStep, Step } from "./steps.js";

const mapSingle = <A, B>(step: SingleStep<A>, view: (seen: A) => B): SingleStep<B> => {
  switch (step.kind) {
    case "map": {
      const outputs = step.outputs.map((out) => ({ ...out, view: view(out.view) }));
      return { ...step, inputs: step.inputs.map(view), outputs };
    }
    case "matmul":
      return {
        ...step,
        a: view(step.a),
        b: view(step.b),
        output: view(step.output),
        epilogue: step.epilogue && { ...step.epilogue, inputs: step.epilogue.inputs.map(view) },
      };
    default:
      return { ...step, inputs: step.inputs.map(view), output: view(step.output) };
  }
};

/** The step with each of its views replaced. */
export const mapViews = <A, B>(step: Step<A>, view: (seen: A) => B): Step<B> =>
  step.kind === "batch" ? { ...step, steps: step.steps.map((one) => mapSingle(one, view)) } : mapSingle(step, view);
