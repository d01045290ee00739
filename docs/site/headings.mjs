/** A plugin of TypeDoc: a guide is called what its heading says, and the heading is not shown twice. */
export const load = (app) => {
  app.converter.on("createDocument", (_context, document) => {
    const [part] = document.content;
    const [heading, title] = /^\s*# (.+)\n/.exec(part?.text ?? "") ?? [];
    if (title === undefined) throw new Error(`${document.name}: a guide begins with # and its title`);
    document.name = title;
    part.text = part.text.slice(heading.length);
  });
};
