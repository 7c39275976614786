/** Black or white on a colour, whichever reads better (WCAG 2.2, relative luminance and contrast ratio). */

const DEFAULT = '#2456d6'
/** √(1.05 × 0.05) − 0.05 */
const AS_FAR_FROM_BOTH = 0.179

/** @param color "#rrggbb"; our own blue where there is none yet */
export function brand(color: string | undefined): { color: string; on: '#000' | '#fff' } {
  const found = color || DEFAULT
  return { color: found, on: luminance(found) > AS_FAR_FROM_BOTH ? '#000' : '#fff' }
}

export function luminance(color: string): number {
  const [r, g, b] = [1, 3, 5].map(at => {
    const part = +`0x${color.slice(at, at + 2)}` / 255
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
