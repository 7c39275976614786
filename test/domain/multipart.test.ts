import { describe, expect, it } from 'vitest'
import { BrokenForm, boundaryOf, FormTooLarge, readForm } from '../../src/api/multipart.ts'

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const MOST = 64 * 1024 * 1024

function chance(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** One character a byte. */
const bytesOf = (text: string) => Uint8Array.from(text, character => character.charCodeAt(0))
const textOf = (bytes: Uint8Array) => Array.from(bytes, byte => String.fromCharCode(byte)).join('')
const utf8 = (text: string) => textOf(new TextEncoder().encode(text))

/** As a stream of chunks whose sizes are asked for one after the other. */
function stream(bytes: Uint8Array, nextSize: () => number): ReadableStream<Uint8Array> {
  let at = 0
  return new ReadableStream(
    {
      pull(controller) {
        if (at === bytes.length) return controller.close()
        const size = Math.max(1, nextSize())
        controller.enqueue(bytes.slice(at, at + size))
        at = Math.min(bytes.length, at + size)
      },
    },
    { highWaterMark: 0 },
  )
}

interface Read {
  name: string
  filename: string | null
  type: string | null
  content: string
}

async function read(form: string, nextSize = () => 1000, boundary = 'b', most = MOST): Promise<Read[]> {
  const parts: Read[] = []
  for await (const part of readForm(stream(bytesOf(form), nextSize), boundary, most)) {
    let content = ''
    for (let some = await part.read(); some !== null; some = await part.read()) content += textOf(some)
    // At its end it stays at its end.
    expect(await part.read()).toBeNull()
    parts.push({ name: part.name, filename: part.filename, type: part.type, content })
  }
  return parts
}

const field = (disposition: string, content: string, more = '') =>
  `--b\r\nContent-Disposition: form-data; ${disposition}\r\n${more}\r\n${content}\r\n`

describe('a form that is read as it comes', () => {
  it('UP3 has its parts in their order, files and values, with their types', async () => {
    const form = `${field('name="file"; filename="a.html"', '<p>', 'Content-Type: text/html; charset=utf-8\r\n')}${field('name=note', 'Hi')}--b--\r\n`
    expect(await read(form)).toEqual([
      { name: 'file', filename: 'a.html', type: 'text/html', content: '<p>' },
      { name: 'note', filename: null, type: null, content: 'Hi' },
    ])
  })

  it.each([
    ['an empty file', field('name="file"; filename="a"', ''), ''],
    ['line ends', field('name="file"; filename="a"', '\r\n\r\n\r\n'), '\r\n\r\n\r\n'],
    [
      'what is nearly a delimiter',
      field('name="file"; filename="a"', '\r\n--\r\n-\r\r\n--B--'),
      '\r\n--\r\n-\r\r\n--B--',
    ],
    ['a preamble', `This is a form.\r\n${field('name="file"; filename="a"', 'x')}`, 'x'],
    ['an empty preamble', `\r\n${field('name="file"; filename="a"', 'x')}`, 'x'],
    ['blanks behind a delimiter', field('name="file"; filename="a"', 'x').replace('--b', '--b \t'), 'x'],
    ['a folded head', field('name="file";\r\n\tfilename="a"', 'x'), 'x'],
  ])('UP3 takes %s', async (_, form, content) => {
    for (const end of ['--b--', '--b--\r\n', '--b--\r\nAn epilogue.\r\n--b\r\nof whatever.'])
      expect(await read(`${form}${end}`, () => 1)).toMatchObject([{ filename: 'a', content }])
  })

  it.each([
    // Browsers (HTML §4.10.21.8), Go and old curl, Python's urllib3 2 and 1.
    ['filename="a%22b%0D%0A.txt"', 'a"b\r\n.txt'],
    ['filename="a\\"b\\\\c.txt"', 'a"b\\c.txt'],
    ['filename="C:\\bills\\a.txt"', 'C:\\bills\\a.txt'],
    ['filename="a;b=c.txt"', 'a;b=c.txt'],
    ['filename=a.txt', 'a.txt'],
    ['filename=""', ''],
    ['FileName="A.txt"', 'A.txt'],
    [utf8('filename="帳單.pdf"'), '帳單.pdf'],
    [`filename*=utf-8''%E5%B8%B3%E5%96%AE.pdf`, '帳單.pdf'],
    [`filename="x.pdf"; filename*=UTF-8'zh-TW'%E5%B8%B3.pdf`, '帳.pdf'],
    [`filename*=iso-8859-1''%A3.pdf`, '£.pdf'],
    [`filename="x.pdf"; filename*=utf-8''%FF`, 'x.pdf'],
    [`filename="x.pdf"; filename*=big5''%B1b`, 'x.pdf'],
  ])('UP3 reads %s', async (given, filename) => {
    const form = `${field(`name="file"; ${given}`, 'x')}--b--`
    expect(await read(form)).toMatchObject([{ name: 'file', filename }])
  })

  it.each([
    ['nothing', ''],
    ['no delimiter', 'file=x'],
    ['no end', field('name="file"; filename="a"', 'x')],
    ['an end in the middle of the last delimiter', `${field('name="file"; filename="a"', 'x')}--b-`],
    ['an end in a head', '--b\r\nContent-Disposition: form-data; name="file"'],
    ['another boundary', `${field('name="file"', 'x')}--b--`.replaceAll('--b', '--c')],
    ['a longer boundary', `${field('name="file"', 'x')}--b--`.replaceAll('--b', '--bb')],
    ['a part of no field', '--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--'],
    ['a part of no name', `${field('filename="a"', 'x')}--b--`],
    ['a part that is no form data', `${field('name="file"', 'x')}--b--`.replace('form-data', 'attachment')],
    ['a head without end', `--b\r\n${'X: y\r\n'.repeat(2000)}\r\nx\r\n--b--`],
  ])('UP3 refuses %s', async (_, form) => {
    for (const size of [1, 1000]) await expect(read(form, () => size)).rejects.toThrow(BrokenForm)
  })

  it('UP3 stops at what is too large', async () => {
    const form = `${field('name="file"; filename="a"', 'x'.repeat(5000))}--b--`
    await expect(read(form, () => 100, 'b', 4000)).rejects.toThrow(FormTooLarge)
    expect(await read(form, () => 100, 'b', form.length)).toHaveLength(1)
  })

  it('UP3 passes over what nobody reads, and lets go of the stream when nobody goes on', async () => {
    const form = `${field('name="a"', 'x'.repeat(500))}${field('name="b"', 'y'.repeat(500))}--b--`
    const names: string[] = []
    for await (const part of readForm(
      stream(bytesOf(form), () => 7),
      'b',
      MOST,
    )) {
      names.push(part.name)
      await part.read()
    }
    expect(names).toEqual(['a', 'b'])
    let cancelled = false
    const endless = new ReadableStream<Uint8Array>({
      pull: controller => controller.enqueue(bytesOf(field('name="a"', 'x'))),
      cancel: () => {
        cancelled = true
      },
    })
    for await (const _ of readForm(endless, 'b', MOST)) break
    expect(cancelled).toBe(true)
  })

  it(`UP3 reads the same however it is cut, SEED=${SEED}`, async () => {
    const random = chance(SEED)
    // Of what delimiters are made of, so that many places look like one.
    const some = (most: number) =>
      Array.from({ length: random(most) }, () => '\r\n--b-b\r\n\0x'.charAt(random(11))).join('')
    for (let round = 0; round < 300; round++) {
      const boundary = ['b', 'bb-b', `----${'b'.repeat(1 + random(60))}`][random(3)]!
      const parts = Array.from({ length: random(4) }, (_, n) => ({
        name: `f${n}`,
        content: some(400).replaceAll(`\r\n--${boundary}`, '!'),
      })).filter(({ content }) => !`\r\n${content}`.includes(`\r\n--${boundary}`))
      const form = `${['', 'preamble', '\r\n'][random(3)]}${parts
        .map(
          ({ name, content }) =>
            `\r\n--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${content}`,
        )
        .join('')}\r\n--${boundary}--${some(50)}`
      const most = [1, 3, 20, 500][random(4)]!
      const got = await read(form, () => 1 + random(most), boundary)
      expect(
        got.map(({ name, content }) => ({ name, content })),
        `round ${round}`,
      ).toEqual(parts)
    }
  })

  it('UP3 holds no more than a piece of it, whatever its size and that of its chunks', async () => {
    for (const chunk of [1000, 50_000, 3_000_000]) {
      const body = new Uint8Array(8_000_000).fill(13, 0, 1_000_000)
      const head = bytesOf(field('name="file"; filename="a"', '').slice(0, -2))
      let pulled = 0
      let given = 0
      let held = 0
      const source = new ReadableStream<Uint8Array>(
        {
          pull(controller) {
            const bytes =
              pulled === 0 ? head : body.subarray(pulled - head.length, pulled - head.length + chunk)
            const next = bytes.length > 0 ? bytes : bytesOf('\r\n--b--')
            pulled += next.length
            controller.enqueue(next)
            if (next.length === 7) controller.close()
          },
        },
        { highWaterMark: 0 },
      )
      for await (const part of readForm(source, 'b', MOST))
        for (let some = await part.read(); some !== null; some = await part.read()) {
          given += some.length
          held = Math.max(held, pulled - given)
          // The memory behind what is handed over is the reader's own.
          held = Math.max(held, some.buffer.byteLength)
        }
      expect(given).toBe(body.length)
      expect(held, `chunks of ${chunk}`).toBeLessThan(chunk + 4 * 64 * 1024)
    }
  })

  it('UP3 takes time in proportion to what comes', async () => {
    const took = async (form: string, size: number) => {
      const bytes = bytesOf(form)
      const begin = performance.now()
      for await (const part of readForm(
        stream(bytes, () => size),
        'b',
        MOST,
      ))
        while ((await part.read()) !== null);
      return performance.now() - begin
    }
    const longHead = field('name="file"; filename="a"', 'x', `X: ${'y'.repeat(7000)}\r\n`)
    const forms: Record<string, (n: number) => string> = {
      'all CR': n => `${field('name="file"; filename="a"', '\r'.repeat(n * 2000))}--b--`,
      'line ends': n => `${field('name="file"; filename="a"', '\r\n'.repeat(n * 1000))}--b--`,
      'nearly delimiters': n => `${field('name="file"; filename="a"', '\r\n--B'.repeat(n * 400))}--b--`,
      'long heads': n => `${longHead.repeat(n)}--b--`,
    }
    for (const [what, form] of Object.entries(forms))
      for (const size of [5, 5000]) {
        await took(form(10), size)
        const [short, long] = [await took(form(10), size), await took(form(80), size)]
        expect(long / Math.max(2, short), `${what} by ${size}`).toBeLessThan(8 * 4)
      }
  })
})

describe('a boundary', () => {
  it.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['multipart/form-data; charset=utf-8; Boundary="a b:c"', 'a b:c'],
    ['multipart/form-data;boundary=----=_Part_1', '----=_Part_1'],
    ['multipart/form-data', null],
    ['multipart/form-data; boundary=', null],
    ['multipart/form-data; boundary=""', null],
    ['multipart/form-data; boundary="a "', null],
    [`multipart/form-data; boundary=${'x'.repeat(70)}`, 'x'.repeat(70)],
    [`multipart/form-data; boundary=${'x'.repeat(71)}`, null],
  ])('UP3 is read off %s', (type, boundary) => {
    expect(boundaryOf(type)).toBe(boundary)
  })
})
