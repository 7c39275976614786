/** Fixed texts that go out with mail, in the languages the product speaks; another language is one entry. */
interface Texts {
  /** Under automatic answers, so that nobody takes a machine for a person. */
  aiLine: string
  startedAnew: string
  sources: string
  /** In front of a quoted original. */
  wrote: (when: string, who: string) => string
  /** What a chat says first where its team wrote nothing. */
  greeting: string
  /** Subject, first and last words of a mail that goes after somebody who left a chat. */
  answerOf: (chat: string) => string
  missed: (chat: string) => string
  goesOn: string
  /** Below mail to an address that nobody proved. */
  noMore: (url: string) => string
}

const TEXTS: Record<string, Texts> = {
  en: {
    aiLine:
      'This answer was written by an AI assistant. Reply and ask for a person if you would rather talk to one.',
    startedAnew: 'We have started over: what was said before is set aside. How can I help you?',
    sources: 'Sources',
    wrote: (when, who) => `On ${when}, ${who} wrote:`,
    greeting: 'Hello! How can we help you?',
    answerOf: chat => `${chat}: our answer to you`,
    missed: chat => `You wrote to us in the chat of ${chat}. Here is our answer:`,
    goesOn: 'Simply reply to this mail, or come back to the chat: both go on where we left off.',
    noMore: url => `Not you, or no more mail from this chat: ${url}`,
  },
  'zh-TW': {
    aiLine: '此回覆由 AI 助理撰寫。若您希望由真人為您服務，請直接回信告知。',
    startedAnew: '已重新開始對話，先前的內容不再沿用。請問需要什麼協助？',
    sources: '資料來源',
    wrote: (when, who) => `${who} 於 ${when} 寫道：`,
    greeting: '您好！請問需要什麼協助？',
    answerOf: chat => `${chat}：給您的回覆`,
    missed: chat => `您在 ${chat} 的線上對話中聯絡了我們，以下是我們的回覆：`,
    goesOn: '您可以直接回覆此信，或回到線上對話，我們都會接續處理。',
    noMore: url => `不是您本人，或不想再收到此對話的信件：${url}`,
  },
  'zh-CN': {
    aiLine: '此回复由 AI 助理撰写。若您希望由真人为您服务，请直接回信告知。',
    startedAnew: '已重新开始对话，先前的内容不再沿用。请问需要什么协助？',
    sources: '资料来源',
    wrote: (when, who) => `${who} 于 ${when} 写道：`,
    greeting: '您好！请问需要什么帮助？',
    answerOf: chat => `${chat}：给您的回复`,
    missed: chat => `您在 ${chat} 的在线对话中联系了我们，以下是我们的回复：`,
    goesOn: '您可以直接回复此邮件，或回到在线对话，我们都会接着处理。',
    noMore: url => `不是您本人，或不想再收到此对话的邮件：${url}`,
  },
}

/** IETF tags of those. */
export const LANGUAGES = Object.keys(TEXTS)

/** @param language IETF tag; English where we do not speak it */
export function textsIn(language: string): Texts {
  return TEXTS[language] ?? TEXTS.en!
}
