/**
 * Content-Transfer-Encoding taken off, piece by piece, so that a part of any size passes through a small memory. Lenient
 * as mail readers are: what is not of the encoding is skipped (RFC 2045 §6.8), never an error.
 */
export interface Decoder {
  write(piece: Buffer): Buffer
  end(): Buffer
}

export function decoderFor(encoding: string | undefined): Decoder {
  switch (encoding?.trim().toLowerCase()) {
    case 'base64':
      return base64()
    case 'quoted-printable':
      return quotedPrintable()
    default:
      return { write: piece => piece, end: () => Buffer.alloc(0) }
  }
}

function base64(): Decoder {
  let carry = ''
  const decode = (text: string) => Buffer.from(text, 'base64')
  return {
    write(piece) {
      let text = carry + piece.toString('latin1').replace(/[^A-Za-z0-9+/=]/g, '')
      // Padding in the middle: several encoded runs were put one after the other.
      const out: Buffer[] = []
      for (let pad = text.search(/=[^=]/); pad !== -1; pad = text.search(/=[^=]/)) {
        out.push(decode(text.slice(0, pad + 1)))
        text = text.slice(pad + 1)
      }
      const whole = text.endsWith('=') ? 0 : text.length - (text.length % 4)
      carry = text.slice(whole)
      out.push(decode(text.slice(0, whole)))
      return Buffer.concat(out)
    },
    end: () => decode(carry),
  }
}

function quotedPrintable(): Decoder {
  let carry = ''
  return {
    write(piece) {
      const text = carry + piece.toString('latin1')
      // The last line waits for its end: its trailing blanks are not part of the text, and "=" may be half of something.
      const end = text.lastIndexOf('\n') + 1
      carry = text.slice(end)
      return unquote(text.slice(0, end))
    },
    end: () => unquote(carry),
  }
}

function unquote(text: string): Buffer {
  const joined = text.replace(/[ \t]+(?=\r?\n)/g, '').replace(/=(\r?\n|$)/g, '')
  return Buffer.from(
    joined.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
}
