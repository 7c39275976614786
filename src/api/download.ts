/** What strangers sent, as a file: mail is hostile, and nothing of it is ever shown in place by this origin (G2, G9). */
import { MEDIA_TYPE } from './attachments.ts'

export function download(object: R2ObjectBody, contentType: string, filename: string): Response {
  return new Response(object.body, {
    headers: {
      'content-type': MEDIA_TYPE.test(contentType) ? contentType : 'application/octet-stream',
      'content-length': String(object.size),
      'content-disposition': `attachment; filename*=UTF-8''${extValue(filename)}`,
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
    },
  })
}

/** RFC 5987 §3.2.1: what `encodeURIComponent` leaves and a parameter's value may not have. */
function extValue(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /['()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
