/** The one way to say something in the log: a JSON line with an event, ids and codes; never text, addresses or secrets. */
export function log(
  event: string,
  about: Record<string, string | number | null | undefined>,
  error?: unknown,
): void {
  console.error(
    JSON.stringify({ event, ...about, ...(error === undefined ? {} : { error: surprise(error) }) }),
  )
}

/** What kind of surprise it was. The database layer's own message repeats the values of the query, so its cause speaks instead. */
function surprise(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const said = error.message.startsWith('Failed query') ? error.cause : error
  const message = said instanceof Error ? said.message : ''
  return `${error.name}: ${message.split('\n')[0]!.slice(0, 200)}`
}
