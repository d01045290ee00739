/** FC_SEED, for fast-check: replays a failure. */
export const seed = process.env.FC_SEED === undefined ? undefined : Number(process.env.FC_SEED);
