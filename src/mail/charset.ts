/**
 * Bytes → text. A mail names its charset, or does not, or names one that does not exist, or another than it is written in; what
 * can be read is read, and `guessed` says that the name did not settle it. Never throws, linear. TextDecoder (WHATWG Encoding
 * Standard) does the decoding; here are the names mail uses beside that standard's, and the few encodings it has not: UTF-7 (RFC
 * 2152), ISO-2022-KR (RFC 1557), ISO-2022-CN (RFC 1922), HZ (RFC 1843), and the code pages of DOS.
 */
import { BASE64 } from './transfer-encoding.ts'

export interface Decoded {
  text: string
  /** The text is not plain ASCII, and the charset was unknown, or contradicted by the bytes. */
  guessed: boolean
}

/**
 * `label`: the charset as the mail names it, null where it names none; `otherwise`: what bytes that are no UTF-8 then probably
 * are.
 */
export function decodeText(bytes: Uint8Array, label: string | null, otherwise = 'windows-1252'): Decoded {
  const mark = byteOrderMark(bytes)
  const encoding = mark ?? (label === null ? undefined : encodingNamed(label))
  if (encoding === undefined || encoding === 'ascii') return guess(bytes, label, otherwise)
  const text = decode(bytes, encoding)
  if (!hasBroken(text)) return { text, guessed: false }
  const utf8 = encoding === 'utf-8' ? text : decode(bytes, 'utf-8')
  const { good, bad } = sequences(bytes, utf8)
  if (bad === 0 && good > 0) return { text: utf8, guessed: encoding !== 'utf-8' }
  // A sequence cut in half is still UTF-8; letters of a single byte, one after the other, are not.
  if (encoding === 'utf-8' && bad > good) return { text: decode(bytes, 'windows-1252'), guessed: true }
  return { text, guessed: true }
}

/**
 * The name by which the encoding of a charset label is known here; undefined for what is none. `ascii` is never what 8-bit text
 * is.
 */
export function encodingNamed(label: string): string | undefined {
  if (label.length > 80) return undefined
  const key = label
    .toLowerCase()
    .replace(/\/\/.*$/s, '')
    .replace(/[^a-z0-9]+/g, '')
    .replace(/^(?:charset)?x*(?=[a-z]{2})/, '')
    .replace(/^cs(?=[a-z])/, '')
  const codePage = /^(?:windows|win|cp|ms|ibm|dos)?(\d{3,5})$/.exec(key)?.[1]
  return (codePage && CODE_PAGES.get(codePage)) ?? LABELS.get(key)
}

function guess(bytes: Uint8Array, label: string | null, otherwise: string): Decoded {
  if (hasEscapes(bytes)) return { text: decode(bytes, 'iso-2022-jp'), guessed: true }
  const text = decode(bytes, 'utf-8')
  if (!hasBroken(text) || sequences(bytes, text).bad === 0) {
    // UTF-8 is what mail without a label is written in today; under a label that is none, or under ASCII, it is a guess.
    return { text, guessed: label !== null && !isAscii(bytes) }
  }
  const likely = encodingNamed(otherwise) ?? 'windows-1252'
  return {
    text: decode(bytes, likely === 'utf-8' || likely === 'ascii' ? 'windows-1252' : likely),
    guessed: true,
  }
}

function decode(bytes: Uint8Array, encoding: string): string {
  if (encoding === 'utf-7') return utf7(bytes)
  if (encoding === 'utf-16') return decoder(utf16Order(bytes)).decode(bytes)
  if (encoding === 'iso-2022-jp') return decoder(encoding).decode(withoutIdleEscapes(bytes))
  const shifted = SHIFTED[encoding]
  if (shifted) return decoder(shifted).decode(unshifted(bytes, encoding === 'hz'))
  const table = TABLES[encoding]
  return table ? byTable(bytes, table) : decoder(encoding).decode(bytes)
}

const decoders = new Map<string, TextDecoder>()

function decoder(encoding: string): TextDecoder {
  let made = decoders.get(encoding)
  if (!made) {
    made = new TextDecoder(encoding)
    decoders.set(encoding, made)
  }
  return made
}

const hasBroken = (text: string) => text.includes('\ufffd')

/**
 * How many characters beyond ASCII the bytes have as UTF-8, and how many places that are none; U+FFFD itself, written out, is no
 * such place.
 */
function sequences(bytes: Uint8Array, utf8: string): { good: number; bad: number } {
  let [beyond, broken] = [0, 0]
  for (let i = 0; i < utf8.length; i++) {
    const code = utf8.charCodeAt(i)
    if (code === 0xfffd) broken++
    else if (code > 0x7f) beyond++
  }
  let written = 0
  for (let at = bytes.indexOf(0xef); at >= 0; at = bytes.indexOf(0xef, at + 1))
    if (bytes[at + 1] === 0xbf && bytes[at + 2] === 0xbd) written++
  return { good: beyond + written, bad: broken - written }
}

export function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! > 0x7f) return false
  return true
}

/**
 * Bytes as a string with one character a byte, so that what is ASCII in them can be taken apart before anything is decoded. NULs
 * are gone. A byte beyond ASCII is a character of private use, U+F780 to U+F7FF: as U+00A0 or U+00C0 it would be a blank, or a
 * capital letter.
 */
export function charsOf(bytes: Uint8Array, from: number, to: number): string {
  const units = new Uint16Array(Math.max(0, Math.min(to, bytes.length) - from))
  let length = 0
  for (let i = from; i < to && i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte !== 0) units[length++] = byte < 0x80 ? byte : 0xf700 | byte
  }
  return decoder('utf-16le').decode(units.subarray(0, length))
}

/** The other way round. */
export function bytesOf(raw: string): Uint8Array {
  const bytes = new Uint8Array(raw.length)
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i)
  return bytes
}

function byteOrderMark(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8'
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  return undefined
}

/** RFC 2781 §4.3 wants big-endian where no mark says otherwise; most of it is little-endian. The zeros of its ASCII tell. */
function utf16Order(bytes: Uint8Array): string {
  let [even, odd] = [0, 0]
  for (let i = 0; i < Math.min(bytes.length, 1000); i++)
    if (bytes[i] === 0) {
      if (i % 2 === 0) even++
      else odd++
    }
  return even > odd ? 'utf-16be' : 'utf-16le'
}

/** RFC 2152. `+` begins a run of base64 over UTF-16, `-` or anything that is no base64 ends it, `+-` is a plus. */
function utf7(bytes: Uint8Array): string {
  const units = new Uint16Array(bytes.length)
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte !== 0x2b) {
      units[length++] = byte
      continue
    }
    let [bits, have, digits] = [0, 0, 0]
    for (;;) {
      const value = BASE64[bytes[i + 1] ?? 0]!
      if (value > 63) break
      i++
      digits++
      bits = ((bits << 6) | value) & 0x3fffff
      have += 6
      if (have >= 16) {
        have -= 16
        units[length++] = (bits >> have) & 0xffff
      }
    }
    const ended = bytes[i + 1] === 0x2d
    // Not a run at all: "1 + 1" of somebody who escapes nothing.
    if (digits === 0) units[length++] = 0x2b
    if (ended) i++
  }
  return decoder('utf-16le').decode(units.subarray(0, length))
}

const [ESCAPE, DOLLAR, BRACKET] = [0x1b, 0x24, 0x28]

/** What only ISO-2022-JP (RFC 1468) has: the escape to two-byte characters. */
function hasEscapes(bytes: Uint8Array): boolean {
  const at = bytes.indexOf(ESCAPE)
  return at >= 0 && bytes[at + 1] === DOLLAR && (bytes[at + 2] === 0x40 || bytes[at + 2] === 0x42)
}

/** Between two pieces that were put together stand two escapes, and TextDecoder makes a fault of that. */
function withoutIdleEscapes(bytes: Uint8Array): Uint8Array {
  if (!bytes.includes(ESCAPE)) return bytes
  const out = new Uint8Array(bytes.length)
  let length = 0
  for (let i = 0; i < bytes.length; i++) {
    const next = i + (bytes[i + 1] === DOLLAR && bytes[i + 2] === BRACKET ? 4 : 3)
    if (bytes[i] === ESCAPE && bytes[next] === ESCAPE) i = next - 1
    else out[length++] = bytes[i]!
  }
  return out.subarray(0, length)
}

/** Sets that stand in seven bits between shifts, as the eight-bit encoding of the same set. */
function unshifted(bytes: Uint8Array, isHz: boolean): Uint8Array {
  const out = new Uint8Array(bytes.length)
  let length = 0
  let high = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    const next = bytes[i + 1]
    if (byte === 0x0a) high = 0
    if (isHz && byte === 0x7e && (next === 0x7b || next === 0x7d || next === 0x7e || next === 0x0a)) {
      i++
      if (next === 0x7e) out[length++] = byte
      else high = next === 0x7b ? 0x80 : 0
    } else if (!isHz && byte === 0x1b && next === 0x24) i += 3
    else if (!isHz && (byte === 0x0e || byte === 0x0f)) high = byte === 0x0e ? 0x80 : 0
    else out[length++] = byte > 0x20 ? byte | high : byte
  }
  return out.subarray(0, length)
}

const SHIFTED: Record<string, string> = { 'iso-2022-kr': 'euc-kr', 'iso-2022-cn': 'gbk', hz: 'gbk' }

function byTable(bytes: Uint8Array, table: Uint16Array): string {
  return decoder('utf-16le').decode(Uint16Array.from(bytes, byte => table[byte]!))
}

/** The upper half of three code pages of DOS, which mail names and the Encoding Standard has not. */
const TABLES: Record<string, Uint16Array> = Object.fromEntries(
  Object.entries({
    cp437:
      'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0',
    cp850:
      'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0',
    cp852:
      'ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×čáíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐└┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀ÓßÔŃńňŠšŔÚŕŰýÝţ´\u00ad˝˛ˇ˘§÷¸°¨˙űŘř■\u00a0',
  }).map(([name, upper]) => [
    name,
    Uint16Array.from({ length: 256 }, (_, byte) => (byte < 128 ? byte : upper.charCodeAt(byte - 128))),
  ]),
)

/**
 * Labels by encoding, without `x-`, `cs` and punctuation: RFC 1345's and IANA's names, the Encoding Standard's, and what mail
 * programs write.
 */
const LABELS = new Map(
  Object.entries({
    ascii: 'ascii usascii us ansix341968 ansix341986 iso646us iso646irv1991 isoir6 646',
    'utf-8': 'utf8 unicode11utf8 unicode20utf8 utf8mb4',
    'utf-7': 'utf7 unicode11utf7 unicode20utf7',
    'utf-16': 'utf16 ucs2 iso10646ucs2 unicode unicodefeff',
    'utf-16le': 'utf16le',
    'utf-16be': 'utf16be unicodefffe',
    'windows-1252': 'iso88591 iso885911987 latin1 isolatin1 l1 isoir100 iso8859',
    'iso-8859-2': 'iso88592 iso885921987 latin2 isolatin2 l2 isoir101',
    'iso-8859-3': 'iso88593 iso885931988 latin3 isolatin3 l3 isoir109',
    'iso-8859-4': 'iso88594 iso885941988 latin4 isolatin4 l4 isoir110',
    'iso-8859-5': 'iso88595 iso885951988 cyrillic isolatincyrillic isoir144',
    'iso-8859-6': 'iso88596 iso885961987 iso88596e iso88596i arabic isolatinarabic asmo708 ecma114 isoir127',
    'iso-8859-7': 'iso88597 iso885971987 greek greek8 isolatingreek elot928 ecma118 suneugreek isoir126',
    'iso-8859-8': 'iso88598 iso885981988 iso88598e hebrew isolatinhebrew visual isoir138',
    'iso-8859-8-i': 'iso88598i logical',
    'iso-8859-10': 'iso885910 latin6 isolatin6 l6 isoir157',
    'iso-8859-13': 'iso885913 latin7 l7',
    'iso-8859-14': 'iso885914 latin8 l8 isoir199',
    'iso-8859-15': 'iso885915 latin9 isolatin9 l9',
    'iso-8859-16': 'iso885916 latin10 l10 isoir226',
    'windows-1254': 'iso88599 iso885991989 latin5 isolatin5 l5 turkish isoir148',
    'windows-874': 'iso885911 tis620 tis6202533 thai',
    'koi8-r': 'koi8r koi8 koi',
    'koi8-u': 'koi8u koi8ru',
    macintosh: 'macintosh mac macroman',
    'x-mac-cyrillic': 'maccyrillic macukrainian',
    gbk: 'gbk gb2312 gb231280 gb23121980 chinese euccn isoir58 iso58gb231280',
    gb18030: 'gb18030 gb180302000 gb180302005',
    big5: 'big5 big5hkscs big5eten cnbig5 big5tw',
    'euc-jp': 'eucjp eucpkdfmtjapanese ujis',
    'iso-2022-jp':
      'iso2022jp iso2022jp1 iso2022jp2 iso2022jp3 iso2022jpms iso2022jpesc iso2022jpsio junet jis',
    shift_jis: 'shiftjis sjis windows31j mskanji shiftjisx0213',
    'euc-kr': 'euckr ksc5601 ksc56011987 ksc56011989 ksc56011992 korean uhc isoir149',
    'iso-2022-kr': 'iso2022kr',
    'iso-2022-cn': 'iso2022cn iso2022cnext',
    hz: 'hzgb2312 hz',
  }).flatMap(([encoding, labels]) => labels.split(' ').map(label => [label, encoding] as const)),
)

/** Numbers of Windows and IBM code pages, as in cp1252, windows-1252, ms936, ibm437. */
const CODE_PAGES = new Map(
  Object.entries({
    ...{ 367: 'ascii', 437: 'cp437', 819: 'windows-1252', 850: 'cp850', 852: 'cp852', 858: 'cp850' },
    ...{ 866: 'ibm866', 874: 'windows-874', 932: 'shift_jis', 943: 'shift_jis', 936: 'gbk', 949: 'euc-kr' },
    ...{ 950: 'big5', 1200: 'utf-16le', 1201: 'utf-16be', 10000: 'macintosh', 10007: 'x-mac-cyrillic' },
    ...{
      20127: 'ascii',
      20866: 'koi8-r',
      21866: 'koi8-u',
      51932: 'euc-jp',
      51949: 'euc-kr',
      54936: 'gb18030',
    },
    ...{ 50220: 'iso-2022-jp', 50221: 'iso-2022-jp', 50222: 'iso-2022-jp', 65000: 'utf-7', 65001: 'utf-8' },
    ...Object.fromEntries([0, 1, 2, 3, 4, 5, 6, 7, 8].map(n => [1250 + n, `windows-${1250 + n}`])),
    ...Object.fromEntries([2, 3, 4, 5, 6, 7, 13, 15].map(n => [28590 + n, `iso-8859-${n}`])),
    ...{ 28591: 'windows-1252', 28599: 'windows-1254' },
  }),
)
