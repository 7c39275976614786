/**
 * What the Worker and the IMAP bridge say to each other: JSON bodies of POST requests, and for mail a stream
 * of frames. The bridge holds no state that matters and keeps no password; every request brings its account.
 *
 * This file has types and two small functions only, and both sides import it.
 */
/** No head of a frame is longer than this; a longer one is a broken stream. */
export const MAX_FRAME_HEAD = 256 * 1024
export function frameHead(frame) {
  return `${JSON.stringify(frame)}\n`
}
