import type { Fields } from "./fields.js";

/**
 * A template with {fields} of a row filled in, of a list its texts as lines; "{{" and "}}" stand for braces.
 * Errors: InputError for a missing field.
 */
export const filled = (template: string, row: Fields): string =>
  template.replace(/\{\{|\}\}|\{(\w+)\}/g, (found: string, key: string | undefined) => {
    if (key === undefined) return found[0];
    const value = row.raw(key);
    if (typeof value === "number") return String(value);
    return Array.isArray(value) ? row.texts(key).join("\n") : row.text(key);
  });
