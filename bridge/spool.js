/**
 * One large mail or part on its way through the bridge. Its exact length must be known before its first byte goes out,
 * and RFC822.SIZE is only what a server claims (Exchange is known to estimate), so it is written to a file first. The
 * file has no name from the moment it is open: nothing is left behind however the process ends.
 */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

const PIECE = 256 * 1024
export class Spool {
  #file
  length = 0
  constructor(file) {
    this.#file = file
  }
  static async create() {
    const dir = await mkdtemp(path.join(tmpdir(), 'spool-'))
    try {
      return new Spool(await open(path.join(dir, 'mail'), 'wx+', 0o600))
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }
  async write(piece) {
    for (let done = 0; done < piece.length; ) {
      const { bytesWritten } = await this.#file.write(piece, done, piece.length - done, this.length)
      done += bytesWritten
      this.length += bytesWritten
    }
  }
  async clear() {
    await this.#file.truncate(0)
    this.length = 0
  }
  async *pieces() {
    for (let at = 0; at < this.length; ) {
      // A new buffer each time: the one before may still wait in the socket.
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(PIECE), 0, PIECE, at)
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }
  async close() {
    await this.#file.close()
  }
}
