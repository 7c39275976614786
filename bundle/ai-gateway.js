/**
 * In place of Vercel's AI Gateway, which the AI SDK asks where a model is named by a text alone. Here every model is an object that says
 * its own server, so nothing of the gateway is ever called (wrangler.toml puts this in its place).
 */
export class GatewayError extends Error {
  static isInstance() {
    return false
  }
}
export class GatewayAuthenticationError extends GatewayError {}

export function createGateway() {
  throw new Error('name a model by an object: there is no gateway here')
}
export const gateway = createGateway
