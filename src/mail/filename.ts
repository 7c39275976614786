/** A name that is only a name: no path, no control or direction characters, no more than a screen's width (G7). */
export function safeName(name: string, contentType: string): string {
  const bare = name
    .replace(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '')
    .split(/[/\\]/)
    .at(-1)!
    .replace(/[<>:"|?*]/g, '_')
    .trim()
  const letters = [...bare.toWellFormed()]
  const short =
    letters.length > 120
      ? `${letters.slice(0, 100).join('')}…${letters.slice(-16).join('')}`
      : letters.join('')
  if (short !== '' && short !== '.' && short !== '..') return short
  if (contentType === 'message/rfc822') return 'mail.eml'
  // RFC 6838 §4.2 gives a subtype 127 characters; what is longer names no kind of file.
  return `attachment.${/^[\w-]+\/([\w.-]{1,127})(?![\w.-])/.exec(contentType)?.[1] ?? 'bin'}`
}
