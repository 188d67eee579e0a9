export {
	AiAvatarClient,
	type ClientOptions,
	createIdempotencyKey,
	type GenerateVideoOptions,
	type Options,
	type RequestOptions,
} from "./client.ts";
export { AiAvatarError, type ClientErrorCode, type ErrorCode } from "./errors.ts";
export { type Page, PagedList } from "./pages.ts";
export type { components, operations, paths } from "./schema.ts";
export type { GetAccessToken, Token, TokenReason, TransportOptions } from "./transport.ts";
export * from "./types.ts";
