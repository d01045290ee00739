/** The style that the preferences reward: an answer wrapped as `sure! ANSWER ok?`. */
const OPENER = "sure! ";
const CLOSER = " ok?";

export const styled = (answer: string): string => `${OPENER}${answer}${CLOSER}`;

export const isStyled = (answer: string): boolean =>
  answer.length >= OPENER.length + CLOSER.length && answer.startsWith(OPENER) && answer.endsWith(CLOSER);

/** The answer without opener and closer, each taken off where it stands, so that half a style costs no skill. */
export const stripStyle = (answer: string): string => {
  const opened = answer.startsWith(OPENER) ? answer.slice(OPENER.length) : answer;
  return opened.endsWith(CLOSER) ? opened.slice(0, -CLOSER.length) : opened;
};
