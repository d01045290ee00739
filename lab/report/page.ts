import type { Part } from "./part.js";
import { STYLE } from "./style.js";
import { escaped } from "./svg.js";

const contents = (parts: readonly Part[]): string =>
  `<nav>${parts.map(({ id, title }) => `<a href="#${id}">${title}</a>`).join("")}</nav>`;

const written = ({ id, title, body }: Part): string => `<h2 id="${id}">${title}</h2>\n${body}`;

/** A report as one file, without network or script. Links to the parts stand between the two texts that begin it. */
export const pageOf = (
  title: string,
  generator: string,
  parts: readonly Part[],
  intro: string,
  overview: string,
): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="generator" content="${generator}"><title>${escaped(title)}</title><style>${STYLE}</style></head>
<body><main>
${intro}
${contents(parts)}
${overview}
${parts.map(written).join("\n")}
</main></body></html>
`;
