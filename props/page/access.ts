/** What a page owes to those who do not see it well, or not at all. */

/** Roles that are used, and need a name. */
const USED = new Set(["button", "link", "slider", "textbox", "combobox", "radio", "checkbox", "spinbutton", "image"]);

interface Node {
  readonly ignored: boolean;
  readonly role?: { readonly value: string };
  readonly name?: { readonly value: string };
}

/** Roles in an accessibility tree that have no name. */
export const nameless = (tree: Record<string, unknown>): string[] =>
  (tree.nodes as readonly Node[])
    .filter(({ ignored, role, name }) => !ignored && USED.has(role?.value ?? "") && (name?.value ?? "") === "")
    .map(({ role }) => role?.value as string);

/**
 * An expression for the page: texts whose contrast with what is behind them is under 4.5, or 3 where they are large (WCAG 2.2,
 * 1.4.3). What is disabled is left out, as there.
 */
export const poorContrast = `(() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (colors) => {
    paint.clearRect(0, 0, 1, 1);
    for (const color of colors) { paint.fillStyle = color; paint.fillRect(0, 0, 1, 1); }
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    if (node.data.trim() === "" || !element.checkVisibility() || element.closest(":disabled, script, noscript, .unseen, .skip, title"))
      continue;
    const style = getComputedStyle(element);
    const behind = [];
    for (let at = element; at !== null; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const color = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(over(behind)), light(over([...behind, color]))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(node.data.trim().slice(0, 30) + ": " + ratio.toFixed(2));
  }
  return found;
})()`;
