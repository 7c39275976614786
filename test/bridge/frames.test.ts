import { describe, expect, it } from 'vitest'
import { type Frame, frameHead } from '../../bridge/wire.ts'
import { BrokenFrames, readFrames } from '../../src/mail/frames.ts'

const position = { uid: 7, size: 12, internalDate: 1_700_000_000_000, flags: ['\\Seen'] }
const frames: [Frame, string][] = [
  [{ kind: 'opened', length: 0, uidValidity: 1, uidNext: 8, waiting: 2 }, ''],
  [{ kind: 'mail', length: 22, ...position }, 'Subject: ü\r\n\r\n{"a"}\n\n'],
  [{ kind: 'mail', length: 0, ...position, uid: 8 }, ''],
  [{ kind: 'end', length: 0, more: false }, ''],
]
const wire = new TextEncoder().encode(frames.map(([frame, body]) => frameHead(frame) + body).join(''))

function streamOf(...pieces: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })
}

async function collect(source: ReadableStream<Uint8Array>): Promise<[Frame, string][]> {
  const found: [Frame, string][] = []
  for await (const { frame, body } of readFrames(source))
    found.push([frame, new TextDecoder().decode(await body())])
  return found
}

describe('frames from the bridge', () => {
  it('are the same however the bytes are split', async () => {
    for (let at = 0; at <= wire.length; at++) {
      expect(await collect(streamOf(wire.subarray(0, at), wire.subarray(at)))).toEqual(frames)
    }
    const single = [...wire].map(byte => Uint8Array.of(byte))
    expect(await collect(streamOf(...single))).toEqual(frames)
  })

  it('A10 cut anywhere: what came whole is good, the rest is an error', async () => {
    const ends = new Set<number>()
    let length = 0
    for (const [frame, body] of frames) {
      length += new TextEncoder().encode(frameHead(frame) + body).length
      ends.add(length)
    }
    for (let at = 1; at < wire.length; at++) {
      const found: Frame[] = []
      const read = async () => {
        for await (const { frame, body } of readFrames(streamOf(wire.subarray(0, at)))) {
          await body()
          found.push(frame)
        }
      }
      if (ends.has(at)) await read()
      else await expect(read()).rejects.toThrow(BrokenFrames)
      expect(found).toEqual(frames.map(([frame]) => frame).slice(0, found.length))
      expect(found.some(frame => frame.kind === 'end')).toBe(false)
    }
  })

  it('give a body as a stream of exactly its length, and pass over what nobody took', async () => {
    const taken: string[] = []
    const single = [...wire].map(byte => Uint8Array.of(byte))
    for await (const arrived of readFrames(streamOf(...single))) {
      if (arrived.frame.kind !== 'mail') continue
      taken.push(await new Response(arrived.stream()).text())
    }
    expect(taken).toEqual(frames.filter(([frame]) => frame.kind === 'mail').map(([, body]) => body))
    const kinds: string[] = []
    for await (const { frame } of readFrames(streamOf(wire))) kinds.push(frame.kind)
    expect(kinds).toEqual(['opened', 'mail', 'mail', 'end'])
  })

  it('refuse a head that is no JSON, has no length, or never ends', async () => {
    const bytes = (text: string) => streamOf(new TextEncoder().encode(text))
    await expect(collect(bytes('HTTP/1.1 502\n'))).rejects.toThrow(BrokenFrames)
    await expect(collect(bytes('{"kind":"mail","length":-1}\n'))).rejects.toThrow(BrokenFrames)
    await expect(collect(bytes('x'.repeat(300_000)))).rejects.toThrow(BrokenFrames)
  })

  it('stop the bridge when the reader stops', async () => {
    let cancelled = false
    const source = new ReadableStream<Uint8Array>({
      pull: controller => controller.enqueue(wire),
      cancel: () => {
        cancelled = true
      },
    })
    for await (const { frame } of readFrames(source)) if (frame.kind === 'mail') break
    expect(cancelled).toBe(true)
  })
})
