import { InputError } from "../../../core/index.js";
import { amongst } from "../../../core/suggest.js";
import type { Rule } from "../../../optim/index.js";
import { checkRule } from "../../../optim/rule-check.js";
import {
  kindOf,
  mergesBy,
  nameOf,
  OPTIMIZER_NAMES,
  type OptimizerSettings,
  PROPOSALS,
  type ProposalName,
  proposalOf,
  readsMergingKeys,
} from "./settings.js";

/** Who a setting speaks to: the key as the configuration spells it, whom it is for, and who that is in words. */
type Home = readonly [key: string, fits: (settings: OptimizerSettings) => boolean, whom: string];
const merging: Home[1] = (settings) => mergesBy(settings) !== undefined;
const over =
  (...names: readonly ProposalName[]): Home[1] =>
  (settings) =>
    names.some((name) => name === proposalOf(settings));
const MERGING = OPTIMIZER_NAMES.filter(readsMergingKeys).join(", ");
const HOMES: { readonly [K in keyof OptimizerSettings]: Home } = {
  alpha: ["alpha", merging, MERGING],
  onlineStep: ["online_step", merging, MERGING],
  rescale: ["rescale", merging, MERGING],
  mergePreset: ["merge_preset", merging, MERGING],
  tauScale: ["tau_scale", merging, MERGING],
  reserveP: [
    "reserve_p",
    (settings) => merging(settings) || kindOf(settings) === "childTuning",
    `${MERGING}, childtuning_f, childtuning_d`,
  ],
  baseOptim: ["base_optim", (settings) => kindOf(settings) !== "proposal", "optimizers over another one"],
  emaVariant: ["ema_variant", (settings) => kindOf(settings) === "ema", "ema"],
  emaCoefficient: ["ema_coefficient", (settings) => kindOf(settings) === "ema", "ema"],
  projectionRank: [
    "projection_rank",
    (settings) => settings.optim !== "childtuning_d" && proposalOf(settings) !== "schedule_free_adamw",
    "optimizers that hand out no average of their own and have no mask of whole matrices",
  ],
  projectionInterval: [
    "projection_interval",
    ({ projectionRank }) => projectionRank !== undefined,
    "runs with projection_rank",
  ],
  momentum: ["momentum", over("sgd", "muon"), "sgd and muon"],
  eps: ["adam_epsilon", over("adamw", "schedule_free_adamw"), "adamw and schedule_free_adamw"],
  betas: [
    "adam_beta1 or adam_beta2",
    over("adamw", "lion", "schedule_free_adamw"),
    "adamw, lion and schedule_free_adamw",
  ],
};

/** Errors: InputError for a rule of one's own that asks for what nobody hands it there. */
const checkOwn = (key: string, rule: string | Rule, ...uses: readonly ("usesMask" | "usesTau")[]): void => {
  const asks = typeof rule === "string" ? undefined : uses.find((use) => rule[use]);
  if (asks === "usesMask")
    throw new InputError(`${key}: ${nameOf(rule)} usesMask, and none is estimated for it; now.draw draws one`);
  if (asks === "usesTau")
    throw new InputError(`${key}: ${nameOf(rule)} usesTau by itself; give it as optim, or a rule that only proposes`);
};

/** Errors: InputError for an unknown name, or a setting that means nothing to the chosen optimizer. */
export const checkSettings = (settings: OptimizerSettings): void => {
  const { optim: chosen = "adamw", baseOptim: below = "adamw", rescale, emaVariant = "shadow" } = settings;
  const oneOf = (key: string, value: string | Rule, names: readonly string[]) => {
    if (typeof value !== "string") checkRule(value, key);
    else if (!names.includes(value)) throw new InputError(`${key} is "${value}"; ${amongst(value, names)}`);
  };
  oneOf("optim", chosen, OPTIMIZER_NAMES);
  oneOf("base_optim", below, PROPOSALS);
  checkOwn("optim", chosen, "usesMask");
  checkOwn("base_optim", below, "usesMask", "usesTau");
  const [optim, baseOptim] = [nameOf(chosen), nameOf(below)];
  oneOf("ema_variant", emaVariant, ["shadow", "pullback"]);
  if (rescale !== undefined && typeof rescale !== "boolean" && rescale !== "l1")
    throw new InputError(`rescale is "${rescale}"; it must be true, false or "l1"`);
  const over = kindOf(settings) === "proposal" ? "" : ` over ${baseOptim}`;
  for (const [name, [key, fits, whom]] of Object.entries(HOMES) as [keyof OptimizerSettings, Home][]) {
    const value = settings[name];
    const given = Array.isArray(value) ? value.some((x) => x !== undefined) : value !== undefined;
    if (given && !fits(settings))
      throw new InputError(`optim "${optim}"${over}: ${key} has no meaning there; it belongs to ${whom}`);
  }
  const { reserveP } = settings;
  if (kindOf(settings) !== "childTuning") return;
  if (reserveP === undefined)
    throw new InputError(`optim "${optim}" needs reserve_p, the share of the gradient that is kept`);
  if (!(reserveP >= 0 && reserveP <= 1))
    throw new InputError(`optim "${optim}": reserve_p is ${reserveP}; it must lie in [0, 1]`);
};
