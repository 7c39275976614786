/**
 * Reads what the IMAP bridge sends: heads of one JSON line, each followed by the exact number of bytes it names
 * (bridge/wire.ts). Nothing is collected unless asked for: a body of any size can be piped to where it is stored while
 * it arrives, with its length known beforehand, as R2 wants it. Runs in Workers; nothing of Node is used.
 */
import { type Frame, MAX_FRAME_HEAD } from '../../bridge/wire.ts'

/** The stream is not what the bridge sends, or it ended in the middle of a frame. */
export class BrokenFrames extends Error {}

export interface ArrivedFrame {
  frame: Frame
  /** All bytes of the body. Like `stream`, at most once, and before the next frame is asked for. */
  body(): Promise<Uint8Array>
  /** The body as a stream of exactly `frame.length` bytes; it errors where the line was cut. */
  stream(): ReadableStream<Uint8Array>
}

/** A body that nobody took, or not to its end, is passed over when the next frame is asked for. */
export async function* readFrames(source: ReadableStream<Uint8Array>): AsyncGenerator<ArrivedFrame> {
  const input = new Input(source)
  try {
    for (let head = await input.line(); head !== null; head = await input.line()) {
      const frame = parseHead(head)
      input.beginBody(frame.length)
      yield { frame, body: () => input.body(), stream: () => input.stream() }
      await input.skip()
    }
  } finally {
    await input.cancel()
  }
}

function parseHead(line: Uint8Array): Frame {
  let head: unknown
  try {
    head = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(line))
  } catch {
    throw new BrokenFrames('a frame head is not JSON')
  }
  const { kind, length } = (head ?? {}) as { kind?: unknown; length?: unknown }
  if (typeof kind !== 'string' || !Number.isSafeInteger(length) || Number(length) < 0) {
    throw new BrokenFrames('a frame head has no kind or no length')
  }
  return head as Frame
}

const LF = 10

class Input {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)
  /** Bytes of the current body that have not come yet. */
  #left = 0
  #taken = false

  constructor(source: ReadableStream<Uint8Array>) {
    this.#reader = source.getReader()
  }

  /** The next line without its LF; null at the end of the stream. */
  async line(): Promise<Uint8Array | null> {
    const pieces: Uint8Array[] = []
    let length = 0
    for (;;) {
      const end = this.#chunk.indexOf(LF)
      const piece = end === -1 ? this.#chunk : this.#chunk.subarray(0, end)
      pieces.push(piece)
      length += piece.length
      if (length > MAX_FRAME_HEAD) throw new BrokenFrames('a frame head is too long')
      if (end !== -1) {
        this.#chunk = this.#chunk.subarray(end + 1)
        return joined(pieces, length)
      }
      if (await this.#more()) continue
      if (length > 0) throw new BrokenFrames('the line was cut in a frame head')
      return null
    }
  }

  beginBody(length: number): void {
    this.#left = length
    this.#taken = false
  }

  async body(): Promise<Uint8Array> {
    this.#take()
    const body = new Uint8Array(this.#left)
    for (let at = 0; at < body.length; ) {
      const piece = await this.#piece()
      body.set(piece, at)
      at += piece.length
    }
    return body
  }

  stream(): ReadableStream<Uint8Array> {
    this.#take()
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
      if (this.#left > 0) controller.enqueue(await this.#piece())
      if (this.#left === 0) controller.close()
    }
    // A mark of 0: nothing is read ahead of whoever reads the body.
    return new ReadableStream<Uint8Array>({ pull }, { highWaterMark: 0 })
  }

  async skip(): Promise<void> {
    while (this.#left > 0) await this.#piece()
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => {})
  }

  #take(): void {
    if (this.#taken) throw new Error('the body of this frame was already taken')
    this.#taken = true
  }

  async #piece(): Promise<Uint8Array> {
    while (this.#chunk.length === 0) {
      if (!(await this.#more())) throw new BrokenFrames('the line was cut in the body of a frame')
    }
    const piece = this.#chunk.subarray(0, this.#left)
    this.#chunk = this.#chunk.subarray(piece.length)
    this.#left -= piece.length
    return piece
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#reader.read()
    this.#chunk = value ?? new Uint8Array(0)
    return !done
  }
}

function joined(pieces: Uint8Array[], length: number): Uint8Array {
  const only = pieces[0]
  if (only !== undefined && pieces.length === 1) return only
  const whole = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
