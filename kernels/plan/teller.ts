import { debugs } from "../../core/debug.js";
import type { PlanTeller } from "./steps.js";

/** Prints plans, where `DEBUG=plan` asks for it: only then is what spells them loaded. */
export const planTeller = async (): Promise<PlanTeller | undefined> => {
  if (!debugs("plan")) return undefined;
  const { printPlan } = await import("./print.js");
  return (plan, memory) => console.error(printPlan(plan, memory));
};
