/**
 * The reset command: a mail or a chat message that says just this starts the conversation anew. What is compared is the new text, quote and
 * signature removed: width, case and white space do not count, since phones change them.
 */
export function isReset(newText: string, command: string | null): boolean {
  if (command === null) return false
  const wanted = folded(command)
  return wanted !== '' && folded(newText) === wanted
}

/** NFKC, case-folded (twice upper and lower, for ß and final sigma), white space of any kind as one blank. */
function folded(text: string): string {
  return text
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .replace(/[\s\u200b-\u200f\ufeff]+/gu, ' ')
    .trim()
}
