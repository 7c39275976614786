/**
 * Whether a contact asks for a person, in the words people use for it. Missing one costs an answer that offers a person again; seeing
 * one where there is none costs a colleague a look. So the words must name both the wish and whom.
 */
const ENGLISH = [
  /\b(?:talk|speak|chat|write)(?:ing)? (?:to|with) (?:an? |some|your |the )?(?:real |live |actual |human )?(?:person|human|agent|representative|operator|colleague|someone|somebody|one of you|staff|team)/i,
  /\b(?:want|need|like|get me|give me|prefer) (?:an? |some )?(?:real |live |actual )?(?:person|human|human being|agent|representative|operator)\b/i,
  /\b(?:real|live) (?:person|human|agent)\b.{0,20}\bplease\b|\bhuman,? please\b|\bplease,? (?:an? )?(?:real )?human\b/i,
  /\b(?:connect|transfer|put) me (?:through )?(?:to|with) (?:an? |some|your |the )?(?:real |live )?(?:person|human|agent|someone|somebody|colleague|team)/i,
]
/** 真人, 人工客服, 專人 and "transfer to a person", in both ways of writing. */
const CHINESE =
  /真人|(?:轉|转|找|要|請|请|由)(?:接)?人工|人工(?:客服|服務|服务|協助|协助)|(?:轉|转|找|和|跟|與|与)(?:接)?(?:客服)?(?:專員|专员|客服人員|客服人员)|專人(?:協助|服務|處理)|专人(?:协助|服务|处理)/

export function wantsPerson(text: string): boolean {
  const said = text.slice(0, 5_000)
  return CHINESE.test(said) || ENGLISH.some(pattern => pattern.test(said))
}

/** Only a thank-you: there is nothing to answer, and nothing is worse than a machine that must have the last word. */
export function onlyThanks(text: string): boolean {
  return (
    text.length < 200 &&
    !/[?？]/.test(text) &&
    /\bthank|\bthx\b|\bcheers\b|謝謝|谢谢|感謝|感谢/i.test(text) &&
    text.split(/\s+/).length < 15
  )
}
