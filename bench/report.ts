/** Figures and the table they are printed in. */
export interface Figure {
  figure: string
  measured: string
  baseline?: string
  /** What was asked for, with the ratio where one is asked. */
  bar: string
  met: boolean | null
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The smallest value that at least `share` of all values do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
}

export const worst = (values: readonly number[]) => Math.max(...values)
export const ms = (value: number) => `${Math.round(value)} ms`
export const seconds = (value: number) => `${(value / 1000).toFixed(1)} s`
export const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`

export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ figure, measured, baseline, bar, met }) => [
    figure,
    measured,
    baseline ?? '–',
    bar,
    met === null ? 'reported' : met ? 'met' : '**missed**',
  ])
  return markdown(['figure', 'measured', 'baseline', 'bar', ''], rows)
}

export function markdown(heads: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')
}

/** What goes on meanwhile, on the other channel, so that the table can be piped. */
export function note(text: string): void {
  console.error(text)
}
