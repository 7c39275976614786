/** A picture is shown small. */
import { h } from './dom.ts'

const PICTURE_BYTES = 8e6

/**
 * Drawn on a canvas: the host page's `img-src` need not name the desk, and where the picture cannot be fetched nothing is violated.
 *
 * @returns null where there is nothing to show
 */
export async function preview(
  { type, size }: { type: string; size: number },
  from: () => Promise<string>,
): Promise<HTMLCanvasElement | null> {
  if (!type.startsWith('image/') || size > PICTURE_BYTES) return null
  try {
    const answer = await fetch(await from(), { credentials: 'omit' })
    const bitmap = await createImageBitmap(await answer.blob())
    const { width, height } = bitmap
    const canvas = h('canvas', { class: 'picture', width, height })
    canvas.getContext('2d')!.drawImage(bitmap, 0, 0)
    return canvas
  } catch {
    return null // its name is shown
  }
}
