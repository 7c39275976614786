/** Text of a mail beyond this is not fetched; the frame says `textCut`. */
export const MAX_TEXT = 1024 * 1024
/** Header of a mail or part beyond this is not fetched. */
export const MAX_HEADER = 256 * 1024
/** What a bounce or a receipt says to machines is small and decides how the mail is taken, so it counts as text. */
const KEPT =
  /^(text\/|message\/(delivery-status|disposition-notification|feedback-report|global-delivery-status)$)/
const KEPT_MULTIPARTS = new Set(['multipart/alternative', 'multipart/related', 'multipart/report'])
/** What decoding and a hundred empty parts may not do to us. */
const MAX_PARTS = 100
export function textParts(structure) {
  return leavesOf(structure)
    .filter(isText)
    .slice(0, MAX_PARTS)
    .map(leaf => ({
      section: sectionOf(leaf),
      headerSection: leaf.part === undefined ? null : `${leaf.part}.MIME`,
      size: leaf.size ?? 0,
    }))
}
export function attachmentsOf(structure) {
  const kept = new Set(textParts(structure).map(part => part.section))
  return leavesOf(structure)
    .filter(leaf => !kept.has(sectionOf(leaf)))
    .slice(0, MAX_PARTS)
    .map(leaf => ({
      part: leaf.part ?? '1',
      filename: filenameOf(leaf),
      contentType: leaf.type,
      contentId: leaf.id?.replace(/^<|>$/g, '') || null,
      disposition: leaf.disposition || null,
      size: leaf.size ?? 0,
    }))
}
/** The part that `RemotePart.part` names, or null. */
export function findPart(structure, part) {
  return leavesOf(structure).find(leaf => (leaf.part ?? '1') === part) ?? null
}
/** RFC 3501 §6.4.5 allows BODY[1] for a mail without parts, but not every server does; BODY[TEXT] is the same bytes. */
export function sectionOf(leaf) {
  return leaf.part ?? 'TEXT'
}
export function composeReduced(header, structure, fetched, boundary) {
  const { kept, content } = splitHeader(header)
  const top = fetched.has('TEXT') || !isMultipart(structure) ? null : structure
  const rendered =
    top === null
      ? multipart('multipart/mixed', '', boundary, [onlyBody(content, fetched.get('TEXT'))])
      : (render(top, fetched, boundary) ??
        multipart('multipart/mixed', '', boundary, [onlyBody([], undefined)]))
  return Buffer.concat([kept, rendered])
}
function onlyBody(contentLines, text) {
  const lines = text === undefined ? [] : contentLines
  return Buffer.concat([...lines, Buffer.from('\r\n'), text?.body ?? Buffer.alloc(0)])
}
/** A node with its header, or null where nothing of it is kept. */
function render(node, fetched, boundary) {
  if (!isMultipart(node)) {
    const text = fetched.get(sectionOf(node))
    if (text === undefined || !isText(node)) return null
    return Buffer.concat([endedByBlankLine(text.header), text.body])
  }
  const children = node.childNodes.map((child, at) => render(child, fetched, `${boundary}-${at + 1}`))
  const kept = children.filter(child => child !== null)
  if (kept.length === 0) return null
  const type = KEPT_MULTIPARTS.has(node.type) ? node.type : 'multipart/mixed'
  const report = node.parameters?.['report-type']
  const parameter =
    type === 'multipart/report' && report !== undefined && /^[\w-]+$/.test(report) ? report : ''
  return multipart(type, parameter, boundary, kept)
}
function multipart(type, reportType, boundary, children) {
  const report = reportType === '' ? '' : `; report-type=${reportType}`
  const pieces = [Buffer.from(`Content-Type: ${type}${report};\r\n boundary="${boundary}"\r\n\r\n`)]
  for (const child of children) pieces.push(Buffer.from(`--${boundary}\r\n`), child, Buffer.from('\r\n'))
  pieces.push(Buffer.from(`--${boundary}--\r\n`))
  return Buffer.concat(pieces)
}
/** The mail's header without Content-Type and Content-Transfer-Encoding, and these two by themselves. */
function splitHeader(header) {
  const kept = []
  const content = []
  let target = kept
  for (let at = 0; at < header.length; ) {
    const lf = header.indexOf(10, at)
    const end = lf === -1 ? header.length : lf + 1
    const line = header.subarray(at, end)
    at = end
    const text = line.toString('latin1')
    if (/^\r?\n?$/.test(text)) break
    if (!/^[ \t]/.test(text)) target = /^content-(type|transfer-encoding)[ \t]*:/i.test(text) ? content : kept
    // A header that was cut at our limit may end within a line.
    target.push(text.endsWith('\n') ? line : Buffer.concat([line, Buffer.from('\r\n')]))
  }
  return { kept: Buffer.concat(kept), content }
}
function endedByBlankLine(header) {
  const text = header.toString('latin1')
  if (/(^|\n)\r?\n$/.test(text)) return header
  return Buffer.concat([header, Buffer.from(text === '' || text.endsWith('\n') ? '\r\n' : '\r\n\r\n')])
}
function leavesOf(node) {
  return isMultipart(node) ? node.childNodes.flatMap(leavesOf) : [node]
}
/** A message/rfc822 has a child too, and is a leaf to us. */
function isMultipart(node) {
  return node.type.startsWith('multipart/') && (node.childNodes?.length ?? 0) > 0
}
function isText(leaf) {
  return KEPT.test(leaf.type) && leaf.disposition !== 'attachment'
}
function filenameOf(leaf) {
  return leaf.dispositionParameters?.filename || leaf.parameters?.name || null
}
