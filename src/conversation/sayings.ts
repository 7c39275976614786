/** How much is said in one conversation by its contact: so much a minute, whatever number of tabs they have. */

const WINDOW_MS = 60_000
const MOST = 20

export class Sayings {
  #since = 0
  #count = 0

  /** Counts one; 0 where it may be said, else the seconds until another may. Forgotten with the object, which sleeps only where nothing is said. */
  wait(at: number): number {
    if (at - this.#since >= WINDOW_MS) {
      this.#since = at
      this.#count = 0
    }
    if (this.#count >= MOST) return Math.max(1, Math.ceil((this.#since + WINDOW_MS - at) / 1000))
    this.#count++
    return 0
  }
}
