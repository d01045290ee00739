import type { ProgramMemory } from "../../core/index.js";
import type { Epilogue, Instruction, Plan, Step, View } from "./steps.js";

const showView = ({ buffer, shape, strides, offset }: View): string =>
  `#${buffer}[${shape}]${strides.length > 0 ? `/${strides}` : ""}${offset > 0 ? `+${offset}` : ""}`;

const showInstruction = (x: Instruction): string => {
  switch (x.op) {
    case "load":
      return `in${x.input}`;
    case "constant":
      return `${x.value}`;
    case "iota":
      return `iota/${x.strides}`;
    default:
      return `${x.op}(${x.args.map((arg) => `v${arg}`).join(",")})`;
  }
};

const showEpilogue = (epilogue: Epilogue | undefined): string =>
  epilogue === undefined
    ? ""
    : ` then ${["product", ...epilogue.inputs.map(showView)].join(" ")} { ${epilogue.body.map(showInstruction).join("; ")} }`;

const showStep = (step: Step): string => {
  switch (step.kind) {
    case "batch":
      return [`batch of ${step.steps.length}`, ...step.steps.map((one) => `       ${showStep(one)}`)].join("\n");
    case "matmul":
      return `matmul ${showView(step.a)} × ${showView(step.b)}${showEpilogue(step.epilogue)} → ${showView(step.output)}`;
    case "call":
      return `${step.name} ${step.inputs.map(showView).join(" ")} → ${showView(step.output)}`;
    case "reduce":
      return `${step.reduce} [${step.kept}|${step.reduced}] ${step.inputs.map(showView).join(" ")} { ${step.body.map(showInstruction).join("; ")} } → ${showView(step.output)}`;
    case "map":
      return `map [${step.shape}] ${step.inputs.map(showView).join(" ")} { ${step.body.map(showInstruction).join("; ")} } → ${step.outputs.map((out) => `v${out.value}:${showView(out.view)}`).join(" ")}`;
  }
};

/** A plan as text, one step a line: what `DEBUG=plan` prints. */
export const printPlan = ({ steps, buffers }: Plan, { peak, temporaries }: ProgramMemory): string =>
  [
    `plan: ${steps.length} steps, ${buffers.length} buffers, ${peak} bytes at the peak, ${temporaries} of them temporaries`,
    ...steps.map((step, i) => `  ${i}: ${showStep(step)}`),
  ].join("\n");
