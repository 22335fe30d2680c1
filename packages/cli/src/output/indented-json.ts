/** JSON for people and programs: two spaces for each level, and a line feed at the end. */
export const indentedJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
