/**
 * The reset command: a mail or a chat message that says just this starts the conversation anew. What is compared is the new text, quote and
 * signature removed: width, case and white space do not count, since phones change them.
 */
export function isReset(newText: string, command: string | null): boolean {
  if (command === null) return false
  const wanted = folded(command)
  return wanted !== '' && folded(newText) === wanted
}

/**
 * NFKC and case-folded: lower, upper and lower again, so that ß, ẞ and SS agree, and both sigmas; the dot that İ leaves behind goes with
 * what nobody sees (Unicode's default ignorables: soft hyphens, marks of direction, variation selectors). White space of any kind is one blank.
 */
function folded(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/\p{Default_Ignorable_Code_Point}/gu, '')
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .replaceAll('\u0307', '')
    .replace(/\s+/gu, ' ')
    .trim()
}
