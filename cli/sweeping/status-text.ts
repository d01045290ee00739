import type { Status } from "../../lab/sweep/status.js";

/** Seconds as people say them. */
export const clock = (seconds: number): string =>
  seconds < 90
    ? `${Math.ceil(seconds)} s`
    : seconds < 5400
      ? `${Math.ceil(seconds / 60)} min`
      : `${(seconds / 3600).toFixed(1)} h`;

/** How far a sweep is, a line for what is told and for each job that runs or fails. */
export const statusText = (what: string, status: Status): string => {
  const { jobs, done, running, failed, waiting, blocked, repeated, seconds } = status;
  const at = Math.max(1, running.length);
  const counts = [
    `${done} of ${jobs} jobs done`,
    `${running.length} running`,
    `${waiting} to come`,
    ...(failed.length === 0 ? [] : [`${failed.length} failed`]),
    ...(blocked === 0 ? [] : [`${blocked} build on them`]),
  ];
  return [
    `${what}: ${counts.join(", ")}`,
    ...(seconds === 0 ? [] : [`left: about ${clock(seconds)} of one core, ${clock(seconds / at)} on ${at}`]),
    ...running.map(
      ({ name, who, silence }) => `running: ${name}; ${who}, last sign of life ${Math.round(silence)} s ago`,
    ),
    ...failed.map(
      ({ name, attempts, reason }) =>
        `failed: ${name}; ${attempts} ${attempts === 1 ? "attempt" : "attempts"}: ${reason.split("\n")[0]}`,
    ),
    ...(failed.length === 0 ? [] : ["--retry tries again what failed"]),
    ...(repeated.length === 0 ? [] : [`done more than once, which changes nothing: ${repeated.join(", ")}`]),
  ].join("\n");
};
