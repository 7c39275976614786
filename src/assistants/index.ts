/** The list of assistants, by `assistants.kind`. A new one is one file and one line. */
import type { Assistant } from './assistant.ts'
import { knowledge } from './knowledge.ts'

export interface AssistantRow {
  siteId: string
  id: string
  name: string
  settings: string
}

export const assistantKinds: Record<string, (row: AssistantRow, env: Env) => Assistant> = { knowledge }
