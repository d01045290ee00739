/** A plugin of TypeDoc: a guide is called what its heading says; the first page, which has the project's name, needs none. */
const headingOf = ([part]) => /^\s*# (.+)\n/.exec(part?.text ?? "") ?? [];

export const load = (app) => {
  app.converter.on("createDocument", (_context, document) => {
    const [, title] = headingOf(document.content);
    if (title === undefined) throw new Error(`${document.name}: a guide begins with # and its title`);
    document.name = title;
  });
  app.converter.on("resolveBegin", ({ project }) => {
    const [heading] = headingOf(project.readme);
    project.readme[0].text = project.readme[0].text.slice(heading.length);
  });
};
