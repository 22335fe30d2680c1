/**
 * The form of a member name in which names that Go's JSON decoder takes for the same are equal. Its rule is Unicode
 * simple case folding, in which besides A to Z two characters fold to ASCII letters: U+017F (long s) and U+212A
 * (Kelvin sign). All known names are ASCII, so other characters need no folding.
 */
export function foldName(name: string): string {
  return name.replace(/[A-Z\u017f\u212a]/g, (character) => {
    if (character === '\u017f') return 's'
    return character === '\u212a' ? 'k' : character.toLowerCase()
  })
}
