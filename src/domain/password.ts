/**
 * What a password must be, after NIST SP 800-63B-4 §3.1.1: long enough, none that everybody tries first, and no rules about which
 * characters it has.
 */

export const PASSWORD_CHARACTERS = { least: 10, most: 128 }

/** What lists of stolen passwords have most of among those of ten characters and more. */
const TRIED_FIRST = new Set(
  `1234567890 0123456789 0987654321 12345678910 123456789a a123456789 1q2w3e4r5t 1q2w3e4r5t6y q1w2e3r4t5 qwertyuiop
  qwerty1234 qwerty12345 qwerty123456 1234qwerasdf 1qaz2wsx3edc zaq12wsxcde3 asdfghjkl1 password12 password123 password1234
  password12345 passw0rd123 p@ssw0rd123 iloveyou12 iloveyou123 welcome123 welcome1234 administrator admin12345 admin123456
  letmein1234 changeme123 changeme1234 football123 baseball123 princess123 sunshine123 superman123 michael123 trustno1trustno1
  abcdefghij abcdefghijk abcd123456 abc1234567 abc123456789 aaaaaaaaaa 1111111111 0000000000 1212121212 9876543210 monkey12345
  dragon12345 master12345 secret12345 computer123 internet123 test123456 testtest123 qwertyuiop123 azertyuiop`.split(
    /\s+/,
  ),
)

/** Why it is not good enough, as a sentence; null where it is. `known` is what anybody would guess of this person. */
export function weakness(password: string, known: readonly string[]): string | null {
  const characters = [...password].length
  if (characters < PASSWORD_CHARACTERS.least)
    return `A password has at least ${PASSWORD_CHARACTERS.least} characters.`
  if (characters > PASSWORD_CHARACTERS.most)
    return `A password has at most ${PASSWORD_CHARACTERS.most} characters.`
  const plain = password.toLowerCase().trim()
  if (TRIED_FIRST.has(plain) || new Set(plain).size < 4)
    return 'This password is among the first that are tried.'
  const bare = bareOf(plain)
  for (const word of [...known, 'edgedesk'].map(one => bareOf(one.toLowerCase())))
    if (word.length >= 4 && bare.includes(word) && bare.replaceAll(word, '').length < 4)
      return 'This password is little more than your name or address.'
  return null
}

function bareOf(text: string): string {
  return text.replaceAll(/[^\p{L}\p{N}]/gu, '')
}
