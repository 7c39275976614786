/** What a browser keeps for a page, as JSON. Where it may not keep anything (a sandboxed frame, private modes) memory does, for this page. */

export interface Store {
  read<T>(key: string): T | null
  /** null and undefined: nothing. */
  write(key: string, value: unknown): void
}

export function store(kind: 'localStorage' | 'sessionStorage'): Store {
  const memory: Record<string, string> = {}
  return {
    read(key) {
      try {
        // Where keeping is denied, reading the property alone is refused.
        return JSON.parse(memory[key] ?? window[kind].getItem(key)!)
      } catch {
        return null
      }
    },
    write(key, value) {
      memory[key] = JSON.stringify(value ?? null)
      try {
        window[kind].setItem(key, memory[key])
        delete memory[key]
      } catch {} // denied, or full
    },
  }
}
