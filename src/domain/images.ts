/** An image in a text: `![alt](cid:…)` shows an attachment of the same mail; a picture from elsewhere is never put in. */
const IMAGE = /!\[([^\]\n]*)\]\(cid:([^\s)<>"]+)\)/g

/** The Content-IDs that a text shows. */
export function shownImages(text: string): string[] {
  return [...text.matchAll(IMAGE)].map(([, , cid]) => cid!)
}

/** The text with each image as `shown` writes it, and what stands between them as `between` does. */
export function withImages(
  text: string,
  shown: (alt: string, cid: string) => string,
  between: (piece: string) => string = piece => piece,
): string {
  // Split by a pattern with two groups: text, alt, cid, text, alt, cid … text.
  const pieces = text.split(IMAGE)
  return pieces
    .map((piece, i) => (i % 3 === 0 ? between(piece) : i % 3 === 1 ? shown(piece, pieces[i + 1]!) : ''))
    .join('')
}
