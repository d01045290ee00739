/** A share in percent, whole. */
export const percent = (share: number): string => (Number.isNaN(share) ? "–" : `${Math.round(100 * share)} %`);

/** 1e-4 → 10⁻⁴, 3e-4 → 3·10⁻⁴, 0.3 → 0.3. */
export const short = (x: number): string => {
  if (x === 0 || x >= 0.003) return String(x);
  const [factor, power] = x.toExponential().split("e-");
  const raised = [...power].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");
  return `${factor === "1" ? "" : `${factor}·`}10⁻${raised}`;
};

export const milliseconds = (time: number): string => `${time < 10 ? time.toFixed(1) : Math.round(time)} ms`;

/** Seconds as a person says them. */
export const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
