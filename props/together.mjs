/** Several test files in one process: their tests wait until each file has been evaluated. */
import { before } from "node:test";

let stand;
const evaluated = new Promise((resolve) => {
  stand = resolve;
});
before(() => evaluated);

/** Says that every file's tests are defined. */
export const allStand = () => stand();
