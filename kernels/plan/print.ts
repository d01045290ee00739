import type { Instruction, Plan, Step, View } from "./steps.js";

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

const showStep = (step: Step): string => {
  switch (step.kind) {
    case "matmul":
      return `matmul ${showView(step.a)} × ${showView(step.b)} → ${showView(step.output)}`;
    case "call":
      return `${step.name} ${step.inputs.map(showView).join(" ")} → ${showView(step.output)}`;
    case "reduce":
      return `${step.reduce} [${step.kept}|${step.reduced}] ${step.inputs.map(showView).join(" ")} { ${step.body.map(showInstruction).join("; ")} } → ${showView(step.output)}`;
    case "map":
      return `map [${step.shape}] ${step.inputs.map(showView).join(" ")} { ${step.body.map(showInstruction).join("; ")} } → ${step.outputs.map((out) => `v${out.value}:${showView(out.view)}`).join(" ")}`;
  }
};

/** A plan as text, one step a line: what `DEBUG=plan` prints. */
export const printPlan = ({ steps, slots, buffers }: Plan): string =>
  [
    `plan: ${steps.length} steps, ${buffers.length} buffers, ${slots.length} slots of ${slots.reduce((n, b) => n + b, 0)} bytes in all`,
    ...steps.map((step, i) => `  ${i}: ${showStep(step)}`),
  ].join("\n");
