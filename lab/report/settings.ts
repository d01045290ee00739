import type { Document } from "./document.js";
import type { Part } from "./part.js";
import { escaped } from "./svg.js";

/** Every method's setting, and the worlds', word for word as in results.json. */
export const settingsSection = ({ methods, size }: Document): Part => ({
  id: "settings",
  title: "Settings",
  body: `<div class="scroll"><table class="words"><thead><tr><th>method</th><th>kind</th><th>setting</th></tr></thead><tbody>
${Object.values(methods)
  .map(({ label, family, about }) => `<tr><td>${escaped(label)}</td><td>${family}</td><td>${escaped(about)}</td></tr>`)
  .join("\n")}
</tbody></table></div>
<details><summary>Exact settings</summary><pre>${escaped(JSON.stringify({ methods, size }, undefined, 1))}</pre></details>
<p class="soft">Made by <code>taugrad lab</code>. A rerun on the cpu device gives the same bytes.</p>`,
});
