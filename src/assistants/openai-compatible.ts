/**
 * Any server that speaks OpenAI's Chat Completions: OpenAI, Azure, Groq, Mistral, OpenRouter, vLLM, Ollama … It is asked for plain text
 * only, since many of them know no JSON schema. https://platform.openai.com/docs/api-reference/chat
 */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { checkUrl } from '../domain/host.ts'
import { problem } from '../domain/problem.ts'
import { settings } from '../env.ts'
import { type AssistantRow, apiKeyPlace, settingsOf } from '../store/assistants.ts'
import { db } from '../store/db.ts'
import { dataKeyOf } from '../store/inboxes.ts'
import { open } from '../store/seal.ts'
import type { Assistant } from './assistant.ts'
import { type Readied, think } from './thinking.ts'

/** Far above any answer, and far below what would fill an isolate. */
const MOST_BYTES = 1024 * 1024

export function openaiCompatible(row: AssistantRow, env: Env): Assistant {
  return { answer: question => think(question, row, env, () => ready(row, env)) }
}

async function ready(row: AssistantRow, env: Env): Promise<Readied> {
  const { baseUrl, model } = settingsOf(row)
  if (!baseUrl || !model)
    return {
      problem: problem('model_missing', 'This assistant has no model yet: enter its address and name.'),
    }
  const refused = checkUrl(baseUrl, settings(env).DEV)
  if (refused) return { problem: refused }
  let apiKey: string | undefined
  if (row.apiKey)
    try {
      const dataKey = await dataKeyOf(db(env.DB), row.siteId)
      apiKey = await open(settings(env).KEK, dataKey, apiKeyPlace(row.siteId, row.id), row.apiKey)
    } catch {
      return {
        problem: problem('model_key_refused', 'The key of this assistant cannot be opened. Enter it again.'),
      }
    }
  const server = createOpenAICompatible({ name: 'model', baseURL: baseUrl, apiKey, fetch: carefully })
  return { model: server.chatModel(model), secrets: apiKey ? [apiKey] : [] }
}

/** A redirect is not followed, since nobody looked at where it leads, and the key would go there too. */
const carefully: typeof fetch = async (input, init) => {
  const response = await fetch(input, { ...init, redirect: 'manual' })
  let bytes = 0
  const limited = response.body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength
        if (bytes > MOST_BYTES) controller.error(new Error('the model’s server answered too much'))
        else controller.enqueue(chunk)
      },
    }),
  )
  return new Response(limited ?? null, {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
  })
}
