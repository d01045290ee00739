/** Tabs of browsers, alike for whoever asks: { visit, evaluate, version, close }. */
import { pathToFileURL } from "node:url";
import { bundle } from "../../bundle.mjs";
import { openFirefox } from "./firefox.mjs";

/** A tab of Chromium's, by its DevTools protocol. */
export const tabOf = (page) => ({
  visit: async (url) => {
    const loaded = page.event("Page.loadEventFired");
    await page.send("Page.navigate", { url });
    await loaded;
  },
  /** What an expression comes to, awaited, by value. Errors: what it throws. */
  evaluate: async (expression) => {
    const call = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await page.send("Runtime.evaluate", call);
    if (exceptionDetails === undefined) return result.value;
    throw new Error(exceptionDetails.exception?.description ?? JSON.stringify(exceptionDetails));
  },
  version: async () => (await page.send("Browser.getVersion")).product,
  close: page.close,
});

let driving;
const openChromium = async (options) => {
  driving ??= bundle(["props/lab/browser.ts"], ".laws").then(([driver]) => import(pathToFileURL(driver).href));
  const { openPage } = await driving;
  const page = await openPage(options);
  return typeof page === "string" ? page : tabOf(page);
};
/** Browsers by name, each with what opens a tab of it. */
export const BROWSERS = { chromium: openChromium, firefox: openFirefox };

/**
 * A tab of a browser that has just been started, `gpu` "none" or "swiftshader", `args` more of Chromium's own arguments; or a word on
 * why there is none.
 */
export const openTab = async ({ browser = "chromium", gpu = "none", args = [] } = {}) =>
  BROWSERS[browser]({ gpu, args });
