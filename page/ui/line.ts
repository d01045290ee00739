import { svg } from "./element.js";

const [WIDTH, HEIGHT, EDGE] = [480, 110, 6];

/** A line of numbers from left to right, over those that are missing, and where zero is. */
export const drawLine = (into: SVGSVGElement, values: readonly (number | null)[], of: number): void => {
  into.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const known = values.flatMap((value, i) => (value === null ? [] : [[i, value] as const]));
  const [low, high] = known.reduce(([least, most], [, v]) => [Math.min(least, v), Math.max(most, v)], [0, 0.1]);
  const x = (i: number): number => EDGE + (i / Math.max(1, of - 1)) * (WIDTH - 2 * EDGE);
  const y = (value: number): number => HEIGHT - EDGE - ((value - low) / (high - low)) * (HEIGHT - 2 * EDGE);
  into.replaceChildren(
    svg("line", { x1: 0, x2: WIDTH, y1: y(0), y2: y(0) }),
    svg("polyline", { points: known.map(([i, value]) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }),
  );
};
