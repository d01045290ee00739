/** What runs in the tab: a work on both engines, a turn of one after a turn of the other. */
import { agree, begun, checkProduct, median, NAMES } from "../measure.mjs";

/** Milliseconds that a turn takes, or one call if that takes longer; and that each engine is warmed for before the first. */
const [TURN, WARM] = [300, 1500];

/** Milliseconds of `count` calls, one after the other. */
const elapsed = async (call, count) => {
  const before = performance.now();
  for (let i = 0; i < count; i++) await call();
  return performance.now() - before;
};

/** A work set up on one engine and found right: its call, its losses if it is a training, how many calls make a turn. */
const ready = async (engine, device, name) => {
  const { open } = await import(`../${engine}.mjs`);
  const work = await (await open(device))[name]();
  const call = name === "matmul" ? work.run : work;
  let losses = [];
  if (name === "matmul") await checkProduct(work);
  else ({ losses } = await begun(call));
  // By all of the time: a page that is not isolated has a clock of tenths of a millisecond.
  let [calls, ms] = [0, 0];
  for (const from = performance.now(); calls < 3 || ms < WARM; ms = performance.now() - from, calls++) await call();
  return { engine, call, losses, count: Math.max(1, Math.round((TURN * calls) / ms)), turns: [] };
};

/**
 * Milliseconds a call of each engine, the median of its turns; a turn begins with a call that is not measured. `devices` has
 * each engine's name for the device. Errors: unless both are right and their losses agree.
 */
export const compared = async (name, devices, rounds) => {
  if (!Object.hasOwn(NAMES, name)) throw new Error(`there is no work ${name}`);
  const engines = [];
  for (const [engine, device] of Object.entries(devices)) engines.push(await ready(engine, device, name));
  const [own, other] = engines.map(({ losses }) => losses);
  if (!agree(own, other)) throw new Error(`losses ${other} where taugrad has ${own}`);
  for (let round = 0; round < rounds; round++)
    for (const { call, count, turns } of round % 2 === 0 ? engines : [...engines].reverse()) {
      await call();
      turns.push((await elapsed(call, count)) / count);
    }
  return Object.fromEntries(engines.map(({ engine, turns }) => [engine, median(turns)]));
};
