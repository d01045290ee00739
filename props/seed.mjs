/** FC_SEED, for every law: the bundler puts this before each test, so that none need speak of it. */
import fc from "fast-check";

const { FC_SEED } = process.env;
if (FC_SEED !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(FC_SEED) });
