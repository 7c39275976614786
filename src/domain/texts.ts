/** Fixed texts that go out with mail, in the languages the product speaks; another language is one entry. */
interface Texts {
  /** Under automatic answers, so that nobody takes a machine for a person. */
  aiLine: string
  startedAnew: string
  sources: string
  /** In front of a quoted original. */
  wrote: (when: string, who: string) => string
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
    answerOf: chat => `${chat}: your answer`,
    missed: chat => `You wrote to ${chat} in the chat, and were gone before you saw this:`,
    goesOn: 'Reply to this mail, or write in the chat again: it is the same conversation.',
    noMore: url => `You did not write to us, or want no mail from this chat? ${url}`,
  },
  'zh-TW': {
    aiLine: '此回覆由 AI 助理撰寫。若您希望由真人為您服務，請直接回信告知。',
    startedAnew: '已重新開始對話，先前的內容不再沿用。請問需要什麼協助？',
    sources: '資料來源',
    wrote: (when, who) => `${who} 於 ${when} 寫道：`,
    answerOf: chat => `${chat}：給您的回覆`,
    missed: chat => `您曾在線上對話中聯絡 ${chat}，離開前尚未看到以下回覆：`,
    goesOn: '您可以直接回覆此信，或回到線上對話繼續，兩者是同一個對話。',
    noMore: url => `您沒有聯絡我們，或不想再收到此線上對話的信件？${url}`,
  },
  'zh-CN': {
    aiLine: '此回复由 AI 助理撰写。若您希望由真人为您服务，请直接回信告知。',
    startedAnew: '已重新开始对话，先前的内容不再沿用。请问需要什么协助？',
    sources: '资料来源',
    wrote: (when, who) => `${who} 于 ${when} 写道：`,
    answerOf: chat => `${chat}：给您的回复`,
    missed: chat => `您曾在在线对话中联系 ${chat}，离开前尚未看到以下回复：`,
    goesOn: '您可以直接回复此邮件，或回到在线对话继续，两者是同一个对话。',
    noMore: url => `您没有联系我们，或不想再收到此在线对话的邮件？${url}`,
  },
}

/** @param language IETF tag; English where we do not speak it */
export function textsIn(language: string): Texts {
  return TEXTS[language] ?? TEXTS.en!
}
