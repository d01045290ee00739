import { suggestion } from "../../core/suggest.js";

/** Short names that people know options by. */
const nicknames: Readonly<Record<string, string>> = { lr: "learning_rate", p: "reserve_p", k: "online_step" };

/** The option that was probably meant, or undefined. */
export const suggestedOption = (given: string, names: readonly string[]): string | undefined => {
  const nickname = Object.hasOwn(nicknames, given) ? nicknames[given] : undefined;
  return nickname !== undefined && names.includes(nickname) ? nickname : suggestion(given, names);
};
