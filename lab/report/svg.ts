/** Text in markup. */
export const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** An axis: what it spans, where it has ticks, and whether it is logarithmic. */
export interface Axis {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
  readonly log?: boolean;
  readonly tickText?: (x: number) => string;
}

/** A line with dots. */
export interface Series {
  readonly label: string;
  readonly points: readonly { readonly x: number; readonly y: number; readonly title?: string }[];
  /** Which of the report's colours, 0 (grey) to 6. */
  readonly color: number;
  readonly dashed?: boolean;
  /** Dots without the line. */
  readonly dotsOnly?: boolean;
}

export interface ChartOptions {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly width?: number;
  readonly height?: number;
  /** A vertical line with a name. */
  readonly marks?: readonly { readonly x: number; readonly label: string }[];
  readonly legend?: boolean;
}

const number = (x: number): string => String(Math.round(10 * x) / 10);

/** 0.001 → 1e-3; 0.25 → 0.25. */
export const short = (x: number): string => {
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 0.01 && size < 10_000) return String(Number(x.toPrecision(3)));
  return x
    .toExponential(2)
    .replace(/\.?0+e/, "e")
    .replace("e+", "e");
};

const place = ({ from, to, log = false }: Axis, x: number): number =>
  log ? (Math.log(x) - Math.log(from)) / (Math.log(to) - Math.log(from)) : (x - from) / (to - from);

/** Powers of ten that lie in a range. */
export const decades = (from: number, to: number): number[] => {
  const first = Math.ceil(Math.log10(from) - 1e-9);
  const count = Math.floor(Math.log10(to) + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => Number(`1e${first + i}`));
};

const MARGIN = { left: 40, right: 12, top: 10, bottom: 34 };

/** Lines over two axes as an SVG that scales with its column. */
export const chart = ({ title, x, y, series, width = 420, height = 260, marks = [], legend = true }: ChartOptions) => {
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const px = (v: number) => MARGIN.left + place(x, v) * inner.width;
  const py = (v: number) => MARGIN.top + (1 - place(y, v)) * inner.height;
  const bottom = MARGIN.top + inner.height;
  const xText = x.tickText ?? short;
  const yText = y.tickText ?? short;
  const parts: string[] = [];
  for (const tick of y.ticks) {
    const at = number(py(tick));
    parts.push(`<line class="grid" x1="${MARGIN.left}" x2="${width - MARGIN.right}" y1="${at}" y2="${at}"/>`);
    parts.push(
      `<text class="tick" x="${MARGIN.left - 5}" y="${at}" dy=".35em" text-anchor="end">${yText(tick)}</text>`,
    );
  }
  for (const tick of x.ticks) {
    const at = number(px(tick));
    parts.push(`<line class="grid" x1="${at}" x2="${at}" y1="${MARGIN.top}" y2="${bottom}"/>`);
    parts.push(`<text class="tick" x="${at}" y="${bottom + 13}" text-anchor="middle">${xText(tick)}</text>`);
  }
  for (const mark of marks) {
    const at = number(px(mark.x));
    parts.push(`<line class="mark" x1="${at}" x2="${at}" y1="${MARGIN.top}" y2="${bottom}"/>`);
    const side = place(x, mark.x) > 0.7 ? 'dx="-3" text-anchor="end"' : 'dx="3"';
    parts.push(`<text class="tick" x="${at}" y="${MARGIN.top + 8}" ${side}>${escaped(mark.label)}</text>`);
  }
  for (const { points, color, dashed, dotsOnly, label } of series) {
    const drawn = points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y));
    const path = drawn.map((p) => `${number(px(p.x))},${number(py(p.y))}`).join(" ");
    if (dotsOnly !== true)
      parts.push(`<polyline class="c${color}" points="${path}"${dashed ? ' stroke-dasharray="5 4"' : ""}/>`);
    for (const p of drawn) {
      const told = escaped(p.title ?? `${label}: ${short(p.x)}, ${short(p.y)}`);
      parts.push(
        `<circle class="c${color}" cx="${number(px(p.x))}" cy="${number(py(p.y))}" r="3"><title>${told}</title></circle>`,
      );
    }
  }
  parts.push(
    `<text class="axis" x="${MARGIN.left + inner.width / 2}" y="${height - 4}" text-anchor="middle">${escaped(x.label)}</text>`,
  );
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">${parts.join("")}</svg>`;
  const keys = legend
    ? `<div class="keys">${series
        .map(
          ({ label, color, dashed }) =>
            `<span class="key k${color}${dashed ? " dashed" : ""}">${escaped(label)}</span>`,
        )
        .join("")}</div>`
    : "";
  const upright = y.label === "" ? "" : ` <small>${escaped(y.label)}</small>`;
  return `<figure><figcaption>${escaped(title)}${upright}</figcaption>${svg}${keys}</figure>`;
};

/** One row of a forest plot: a mean with its interval, or nothing to tell. */
export interface ForestRow {
  readonly label: string;
  readonly color: number;
  readonly interval: { readonly mean: number; readonly low: number; readonly high: number } | undefined;
  readonly note: string;
}

/** Means with intervals, one below the other, around zero. */
export const forest = (
  title: string,
  rows: readonly ForestRow[],
  span: number,
  text: (x: number) => string,
): string => {
  const [width, line, left, right] = [440, 20, 108, 96];
  const height = rows.length * line + 26;
  const axis: Axis = { label: "", from: -span, to: span, ticks: [] };
  const px = (v: number) => left + place(axis, Math.max(-span, Math.min(span, v))) * (width - left - right);
  const parts: string[] = [];
  for (const tick of [-span, -span / 2, 0, span / 2, span]) {
    const at = number(px(tick));
    const kind = tick === 0 ? "mark" : "grid";
    parts.push(`<line class="${kind}" x1="${at}" x2="${at}" y1="4" y2="${height - 20}"/>`);
    parts.push(`<text class="tick" x="${at}" y="${height - 6}" text-anchor="middle">${text(tick)}</text>`);
  }
  rows.forEach(({ label, color, interval, note }, i) => {
    const y = i * line + 16;
    parts.push(`<text class="tick" x="${left - 8}" y="${y}" dy=".35em" text-anchor="end">${escaped(label)}</text>`);
    parts.push(`<text class="tick" x="${width - right + 8}" y="${y}" dy=".35em">${escaped(note)}</text>`);
    if (interval === undefined) return;
    const { mean, low, high } = interval;
    // The interval of one seed has no ends.
    if (Number.isFinite(low) && Number.isFinite(high))
      parts.push(
        `<line class="whisker c${color}" x1="${number(px(low))}" x2="${number(px(high))}" y1="${y}" y2="${y}"/>`,
      );
    parts.push(`<circle class="c${color}" cx="${number(px(mean))}" cy="${y}" r="4"/>`);
  });
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">${parts.join("")}</svg>`;
  return `<figure class="wide"><figcaption>${escaped(title)}</figcaption>${svg}</figure>`;
};
