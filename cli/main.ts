import { InputError } from "../core/errors.js";
import { suggestion } from "../core/suggest.js";
import { show } from "../models/files/json.js";
import { VERSION } from "../run/version.js";
import { launchedBy } from "../run/workers/launch.js";
import { parseArguments } from "./arguments.js";
import { resolveValues } from "./config.js";
import { rankToName, toldFailure } from "./fail.js";
import { commandHelp, programHelp } from "./help.js";
import { type CommandName, commands, type Values } from "./options.js";
import { type Output, output } from "./output.js";

type Run<C extends CommandName> = (values: Values<C>, out: Output) => Promise<void>;

/** Loads a command's code: only the command that runs is loaded, so that --help is instant. */
const load: { readonly [C in CommandName]: () => Promise<Run<C>> } = {
  doctor: async () => (await import("./commands/doctor.js")).doctorCommand,
  logprobs: async () => (await import("./commands/logprobs.js")).logprobsCommand,
  generate: async () => (await import("./commands/generate.js")).generateCommand,
  chat: async () => (await import("./commands/chat.js")).chatCommand,
  eval: async () => (await import("./commands/eval.js")).evalCommand,
  evaluate: async () => (await import("./commands/evaluate.js")).evaluateCommand,
  probe: async () => (await import("./commands/probe.js")).probeCommand,
  sft: async () => (await import("./commands/sft.js")).sftCommand,
  dpo: async () => (await import("./commands/dpo.js")).dpoCommand,
  kto: async () => (await import("./commands/kto.js")).ktoCommand,
  merge: async () => (await import("./commands/merge.js")).mergeCommand,
  export: async () => (await import("./commands/export.js")).exportCommand,
  demo: async () => (await import("./commands/demo.js")).demoCommand,
  compare: async () => (await import("./commands/compare.js")).compareCommand,
  lab: async () => (await import("./commands/lab.js")).labCommand,
  tune: async () => (await import("./commands/tune.js")).tuneCommand,
  fit: async () => (await import("./commands/fit.js")).fitCommand,
};

const isCommand = (name: string): name is CommandName => Object.hasOwn(commands, name);

const unknownCommand = (name: string): InputError => {
  const meant = suggestion(name, Object.keys(commands));
  return new InputError(
    `there is no command ${show(name)}; ${meant === undefined ? "taugrad --help lists the commands" : `did you mean "${meant}"?`}`,
  );
};

/** Commands whose ranks work together. */
const TOGETHER: readonly CommandName[] = ["sft", "dpo", "kto", "doctor"];

const runCommand = async <C extends CommandName>(command: C, args: readonly string[]): Promise<void> => {
  const launch = launchedBy(process.env);
  if (launch !== undefined && !TOGETHER.includes(command))
    throw new InputError(
      `${launch.by} has started ${launch.ranks} ranks of this, and ${command} is for one process; start it alone (${TOGETHER.join(", ")} are for several)`,
    );
  const { help, values: given } = parseArguments(command, args);
  if (help) {
    process.stdout.write(`${commandHelp(command)}\n`);
    return;
  }
  const notes: string[] = [];
  const values = await resolveValues(command, given, (note) => notes.push(note));
  const run: Run<C> = await load[command]();
  const out = output("json" in values && values.json === true, [command, ...args]);
  notes.forEach(out.note);
  const { located } = await import("../run/located.js");
  await run(await located(values, out, command === "fit"), out);
};

const dispatch = async ([name, ...rest]: readonly string[]): Promise<void> => {
  if (name === undefined) throw new InputError("no command given; taugrad --help lists the commands");
  if (name === "--version" || name === "-v") {
    process.stdout.write(`${VERSION}\n`);
  } else if (name === "help" || name === "--help" || name === "-h") {
    const [about] = rest;
    if (about === "keys") {
      process.stdout.write((await import("./keys-document.js")).keysDocument());
      return;
    }
    if (about !== undefined && !isCommand(about)) throw unknownCommand(about);
    process.stdout.write(`${about === undefined ? programHelp(VERSION) : commandHelp(about)}\n`);
  } else if (isCommand(name)) {
    await runCommand(name, rest);
  } else if (name.startsWith("-")) {
    throw new InputError(`the command comes first: taugrad COMMAND ${name} …; taugrad --help lists the commands`);
  } else {
    throw unknownCommand(name);
  }
};

/** Runs the command line; resolves to the exit code. Never rejects. */
export const main = async (args: readonly string[]): Promise<number> => {
  try {
    await dispatch(args);
    return 0;
  } catch (error) {
    return toldFailure(error, await rankToName(error, process.env));
  }
};
