/** Fixed texts that go out with mail, in the languages the product speaks; another language is one entry. */
interface Texts {
  /** Under automatic answers, so that nobody takes a machine for a person. */
  aiLine: string
  startedAnew: string
  sources: string
  /** In front of a quoted original. */
  wrote: (when: string, who: string) => string
}

const TEXTS: Record<string, Texts> = {
  en: {
    aiLine:
      'This answer was written by an AI assistant. Reply and ask for a person if you would rather talk to one.',
    startedAnew: 'We have started over: what was said before is set aside. How can I help you?',
    sources: 'Sources',
    wrote: (when, who) => `On ${when}, ${who} wrote:`,
  },
  'zh-TW': {
    aiLine: '此回覆由 AI 助理撰寫。若您希望由真人為您服務，請直接回信告知。',
    startedAnew: '已重新開始對話，先前的內容不再沿用。請問需要什麼協助？',
    sources: '資料來源',
    wrote: (when, who) => `${who} 於 ${when} 寫道：`,
  },
  'zh-CN': {
    aiLine: '此回复由 AI 助理撰写。若您希望由真人为您服务，请直接回信告知。',
    startedAnew: '已重新开始对话，先前的内容不再沿用。请问需要什么协助？',
    sources: '资料来源',
    wrote: (when, who) => `${who} 于 ${when} 写道：`,
  },
}

/** @param language IETF tag; English where we do not speak it */
export function textsIn(language: string): Texts {
  return TEXTS[language] ?? TEXTS.en!
}
