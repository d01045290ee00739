/** The picture that the page is about: skill against style, a path for each run. */
import { svg } from "./element.js";
import { percent } from "./numbers.js";

/** A place: shares of wanted style, and of right answers. */
export interface Place {
  readonly x: number;
  readonly y: number;
  /** What a pointer that rests on it is told. */
  readonly title: string;
}

export interface Path {
  readonly label: string;
  /** A name of the style sheet: `tuned`, `adamw`, … */
  readonly tone: string;
  readonly places: readonly Place[];
  /** A path of before: no dots, no name. */
  readonly isGhost?: boolean;
}

const [WIDTH, HEIGHT] = [640, 460];
const FRAME = { left: 52, right: 18, top: 18, bottom: 46 };
const across = (x: number): number => FRAME.left + x * (WIDTH - FRAME.left - FRAME.right);
const up = (y: number): number => HEIGHT - FRAME.bottom - y * (HEIGHT - FRAME.top - FRAME.bottom);
const TICKS = [0, 0.25, 0.5, 0.75, 1];
/** A name of a path's end is this tall, and stays as far from its end. */
const [TALL, APART] = [16, 10];

const axes = (): SVGElement =>
  svg(
    "g",
    { class: "axes" },
    svg("rect", {
      class: "best",
      ...{ x: across(0.75), y: up(1), width: across(1) - across(0.75), height: up(0.75) - up(1), rx: 8 },
    }),
    svg("text", { class: "best-text", x: across(1) - 12, y: up(1) + 20, "text-anchor": "end" }, "skilled, in style"),
    ...TICKS.flatMap((tick) => [
      svg("line", { x1: across(tick), x2: across(tick), y1: up(0), y2: up(1) }),
      svg("line", { x1: across(0), x2: across(1), y1: up(tick), y2: up(tick) }),
      svg("text", { x: across(tick), y: up(0) + 18, "text-anchor": "middle" }, `${100 * tick}`),
      svg("text", { x: across(0) - 8, y: up(tick) + 4, "text-anchor": "end" }, `${100 * tick}`),
    ]),
    svg("text", { class: "axis", x: across(0.5), y: HEIGHT - 8, "text-anchor": "middle" }, "answers in the style, %"),
    svg(
      "text",
      { class: "axis", transform: `translate(14 ${up(0.5)}) rotate(-90)`, "text-anchor": "middle" },
      "right answers, %",
    ),
  );

/** Heights for names so that none lies over another, in the order of their ends. */
const spread = (heights: readonly number[]): number[] => {
  const order = heights.map((_, i) => i).sort((a, b) => heights[a] - heights[b]);
  const out = [...heights];
  order.forEach((i, rank) => {
    if (rank > 0) out[i] = Math.max(out[i], out[order[rank - 1]] + TALL);
  });
  const over = Math.max(0, ...out.map((height) => height - (up(0) - 4)));
  return out.map((height) => height - over);
};

const drawn = ({ tone, places, isGhost }: Path): SVGElement => {
  const points = places.map(({ x, y }) => `${across(x).toFixed(1)},${up(y).toFixed(1)}`).join(" ");
  const last = places.at(-1) as Place;
  return svg(
    "g",
    { class: `path ${tone}${isGhost ? " ghost" : ""}` },
    svg("polyline", { points }),
    ...(isGhost
      ? []
      : [
          ...places.map(({ x, y, title }) =>
            svg("circle", { cx: across(x), cy: up(y), r: 2.6 }, svg("title", {}, title)),
          ),
          svg("circle", { class: "end", cx: across(last.x), cy: up(last.y), r: 6 }, svg("title", {}, last.title)),
        ]),
  );
};

/** Draws paths into an `<svg>`, in place of what was there. */
export const drawPlane = (into: SVGSVGElement, paths: readonly Path[]): void => {
  into.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const named = paths.filter(({ isGhost, places }) => isGhost !== true && places.length > 0);
  const ends = named.map(({ places }) => places.at(-1) as Place);
  const heights = spread(ends.map(({ y }) => up(y) + 4));
  into.replaceChildren(
    axes(),
    ...paths.filter(({ places }) => places.length > 0).map(drawn),
    ...named.map(({ label, tone }, i) => {
      const isLeft = ends[i].x > 0.7;
      const x = across(ends[i].x) + (isLeft ? -APART : APART);
      return svg("text", { class: `name ${tone}`, x, y: heights[i], "text-anchor": isLeft ? "end" : "start" }, label);
    }),
  );
  const told = named.map(({ label }, i) => `${label}: ${percent(ends[i].y)} right, ${percent(ends[i].x)} in the style`);
  into.setAttribute("aria-label", told.length > 0 ? `Skill against style. ${told.join(". ")}.` : "Skill against style");
};
