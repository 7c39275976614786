/**
 * `API_KEY=ed_… npm run search:rebuild -- https://desk.example.com`: has a site's words indexed anew, where SEARCH was lost or made new.
 * Safe to stop and to repeat. The key needs `settings:write`.
 */
export {}

const [url] = process.argv.slice(2)
const { API_KEY } = process.env
if (!url || !API_KEY) {
  console.error(
    'Say where it runs, and by which key: API_KEY=ed_… npm run search:rebuild -- https://desk.example.com',
  )
  process.exit(1)
}

let told = 0
for (let cursor: string | null = null, more = true; more; more = cursor !== null) {
  const answer: Response = await fetch(new URL('/api/v1/site/search-index', url), {
    method: 'POST',
    headers: { authorization: `Api-Key ${API_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(cursor === null ? {} : { cursor }),
  })
  const body = (await answer.json()) as Rebuilt
  if (!answer.ok) {
    console.error(body.error?.message ?? `HTTP ${answer.status}`)
    process.exit(1)
  }
  told += body.conversations
  cursor = body.next
  process.stdout.write(`\r${told} conversations`)
}
console.log(': found again some seconds from now, with the articles.')

interface Rebuilt {
  conversations: number
  next: string | null
  error?: { message: string }
}
