/**
 * Lines of text, still as bytes, which is quicker than as strings: in every charset of mail but UTF-16 a line's end, a blank and
 * `>` are the bytes of ASCII, and part of no other character.
 */

const [NUL, LF, CR, BLANK, MARK] = [0x00, 0x0a, 0x0d, 0x20, 0x3e]

/**
 * LF for CR LF, for CRs before LF, and for each CR alone; CRs at the end of all, which were before the LF of a boundary, and NULs
 * are gone.
 */
export function withLineFeeds(bytes: Uint8Array): Uint8Array {
  if (!bytes.includes(CR) && !bytes.includes(NUL)) return bytes
  const out = new Uint8Array(bytes.length)
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte === NUL) continue
    if (byte !== CR) {
      out[length++] = byte
      continue
    }
    const from = i
    while (bytes[i + 1] === CR) i++
    if (i + 1 < bytes.length && bytes[i + 1] !== LF) for (let n = from; n <= i; n++) out[length++] = LF
  }
  return out.subarray(0, length)
}

/**
 * format=flowed (RFC 3676): a line that ends with a blank goes on in the next one of the same quote depth; `-- ` never does. With
 * delsp that blank was put in only to break the line, as in text without blanks. Takes and gives lines that end with LF.
 */
export function unflowed(bytes: Uint8Array, delSp: boolean): Uint8Array {
  const out = new Uint8Array(bytes.length * 2)
  let length = 0
  /** The quote depth of the paragraph that goes on; -1 where none does. */
  let open = -1
  for (let at = 0; at <= bytes.length; ) {
    let from = at
    while (bytes[from] === MARK) from++
    const depth = from - at
    // One blank was put in so that a line may begin with a blank, `>` or "From " (§4.4).
    if (bytes[from] === BLANK) from++
    let end = from
    while (end < bytes.length && bytes[end] !== LF) end++
    const signature =
      end - from === 3 && bytes[from] === 0x2d && bytes[from + 1] === 0x2d && bytes[end - 1] === BLANK
    const flows = end > from && bytes[end - 1] === BLANK && !signature
    if (depth !== open || signature) {
      if (at > 0) out[length++] = LF
      for (let i = 0; i < depth; i++) out[length++] = MARK
      if (depth > 0) out[length++] = BLANK
    }
    for (let i = from; i < (flows && delSp ? end - 1 : end); i++) out[length++] = bytes[i]!
    open = flows ? depth : -1
    at = end + 1
  }
  return out.subarray(0, length)
}
