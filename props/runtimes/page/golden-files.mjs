/** What props/golden/files.ts is, in a page: the host has the files under props/. */

export const addressOf = (...parts) => new URL(`/props/${parts.join("/")}`, location).href;

/** Asked for while the page waits: laws read these as they are made. */
export const propsText = (...parts) => {
  const request = new XMLHttpRequest();
  request.open("GET", addressOf(...parts), false);
  request.send();
  if (request.status !== 200) throw new Error(`${parts.join("/")}: the host answers ${request.status}`);
  return request.responseText;
};
export const goldenJson = (...parts) => JSON.parse(propsText("golden", ...parts));
