import createFetchClient, { type Client as FetchClient } from "openapi-fetch";
import { AiAvatarError, toError } from "./errors.ts";
import { follow } from "./follow.ts";
import { type Page, PagedList } from "./pages.ts";
import type { operations, paths } from "./schema.ts";
import { Transport, type TransportOptions } from "./transport.ts";
import type {
	Avatar,
	GenerateVideo,
	Generation,
	Integration,
	IntegrationCreate,
	IntegrationUpdate,
	ProviderAccount,
	Video,
	Voice,
} from "./types.ts";
import { requireUrl } from "./url.ts";

export interface ClientOptions extends TransportOptions {
	/** The service's URL. */
	baseUrl: string;
}

export interface RequestOptions {
	/** Aborts the call, its retries and its event stream. */
	signal?: AbortSignal;
}

/** The query parameters of an operation, and the options of the call. */
export type Options<Operation extends keyof operations> = NonNullable<operations[Operation]["parameters"]["query"]> &
	RequestOptions;

export interface GenerateVideoOptions extends RequestOptions {
	/** Makes the call safe to repeat: the same key and body return the same generation for 24 hours. */
	idempotencyKey?: string;
}

/** The service's operations, named as in its OpenAPI document. They throw an AiAvatarError unless they succeed. */
export class AiAvatarClient {
	readonly baseUrl: string;
	/**
	 * Every operation by its path, without the methods below: `client.raw.GET("/health/ready")`.
	 * Returns `{ data, error, response }`, and sends credentials and repeats as the methods do.
	 */
	readonly raw: FetchClient<paths>;
	readonly #transport: Transport;

	constructor({ baseUrl, ...options }: ClientOptions) {
		this.baseUrl = requireUrl("baseUrl", baseUrl);
		this.#transport = new Transport(options);
		this.raw = createFetchClient<paths>({
			baseUrl: this.baseUrl,
			fetch: (request) => this.#transport.send(request),
		});
	}

	/** Check an API key with the provider and store it, write-only. An absent or null field keeps its value. */
	connectProvider(integration: IntegrationCreate, { signal }: RequestOptions = {}): Promise<Integration> {
		return unwrap(this.raw.POST("/integrations/ai-avatar", { body: integration, ...given(signal) }));
	}

	/** List a user's own integrations or, for a back end, those of any business; newest first. */
	listIntegrations({ signal, cursor, ...query }: Options<"listIntegrations"> = {}): PagedList<Integration> {
		return list(cursor, (cursor) =>
			this.raw.GET("/integrations/ai-avatar", { params: { query: { ...query, ...cursor } }, ...given(signal) }),
		);
	}

	/** Return an integration, whatever its status. */
	getIntegration(businessId: string, { signal, ...query }: Options<"getIntegration"> = {}): Promise<Integration> {
		return unwrap(
			this.raw.GET("/integrations/ai-avatar/{business_id}", {
				params: { path: { business_id: businessId }, query },
				...given(signal),
			}),
		);
	}

	/** Change the fields that are sent; null clears one. A new key is checked with the provider first. */
	updateIntegration(
		businessId: string,
		changes: IntegrationUpdate,
		{ signal, ...query }: Options<"updateIntegration"> = {},
	): Promise<Integration> {
		return unwrap(
			this.raw.PATCH("/integrations/ai-avatar/{business_id}", {
				params: { path: { business_id: businessId }, query },
				body: changes,
				...given(signal),
			}),
		);
	}

	/** Remove an integration and its key; without `provider`, all of the business's. */
	async deleteIntegration(businessId: string, { signal, ...query }: Options<"deleteIntegration"> = {}): Promise<void> {
		await unwrap(
			this.raw.DELETE("/integrations/ai-avatar/{business_id}", {
				params: { path: { business_id: businessId }, query },
				...given(signal),
			}),
		);
	}

	/** Ask the provider whether the stored key still works. */
	validateIntegration(
		businessId: string,
		{ signal, ...query }: Options<"validateIntegration"> = {},
	): Promise<Integration> {
		return unwrap(
			this.raw.POST("/integrations/ai-avatar/{business_id}/validate", {
				params: { path: { business_id: businessId }, query },
				...given(signal),
			}),
		);
	}

	/** Return whose account the stored key belongs to and what is left in it. */
	getAccount(businessId: string, { signal, ...query }: Options<"getAccount"> = {}): Promise<ProviderAccount> {
		return unwrap(
			this.raw.GET("/integrations/ai-avatar/{business_id}/account", {
				params: { path: { business_id: businessId }, query },
				...given(signal),
			}),
		);
	}

	/** List the avatars that the stored key may use, the account's own first. */
	listAvatars(businessId: string, { signal, cursor, ...query }: Options<"listAvatars"> = {}): PagedList<Avatar> {
		return list(cursor, (cursor) =>
			this.raw.GET("/integrations/ai-avatar/{business_id}/avatars", {
				params: { path: { business_id: businessId }, query: { ...query, ...cursor } },
				...given(signal),
			}),
		);
	}

	/** List the voices that the stored key may use, the account's own first. */
	listVoices(businessId: string, { signal, cursor, ...query }: Options<"listVoices"> = {}): PagedList<Voice> {
		return list(cursor, (cursor) =>
			this.raw.GET("/integrations/ai-avatar/{business_id}/voices", {
				params: { path: { business_id: businessId }, query: { ...query, ...cursor } },
				...given(signal),
			}),
		);
	}

	/** Start a video of a content item. Without an `idempotencyKey`, the call is never repeated. */
	generateVideo(request: GenerateVideo, { signal, idempotencyKey }: GenerateVideoOptions = {}): Promise<Generation> {
		return unwrap(
			this.raw.POST("/integrations/ai-avatar/generate-video", {
				params: { header: idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey } },
				body: request,
				...given(signal),
			}),
		);
	}

	/** List content items, newest first, each with its latest generation or null. */
	listVideos({ signal, cursor, ...query }: Options<"listVideos"> = {}): PagedList<Video> {
		return list(cursor, (cursor) =>
			this.raw.GET("/integrations/ai-avatar/videos", { params: { query: { ...query, ...cursor } }, ...given(signal) }),
		);
	}

	/** Return the latest generation of a content item, or that with `generation_id`, with a link that works. */
	getVideo(contentId: string, { signal, ...query }: Options<"getVideo"> = {}): Promise<Generation> {
		return unwrap(
			this.raw.GET("/integrations/ai-avatar/videos/{content_id}", {
				params: { path: { content_id: contentId }, query },
				...given(signal),
			}),
		);
	}

	/** List all generations of a content item, newest first. `getVideo` with `generation_id` renews old links. */
	listGenerations(
		contentId: string,
		{ signal, cursor, ...query }: Options<"listGenerations"> = {},
	): PagedList<Generation> {
		return list(cursor, (cursor) =>
			this.raw.GET("/integrations/ai-avatar/videos/{content_id}/generations", {
				params: { path: { content_id: contentId }, query: { ...query, ...cursor } },
				...given(signal),
			}),
		);
	}

	/** End the live generation of a content item. */
	cancelVideo(contentId: string, { signal }: RequestOptions = {}): Promise<Generation> {
		return unwrap(
			this.raw.POST("/integrations/ai-avatar/videos/{content_id}/cancel", {
				params: { path: { content_id: contentId } },
				...given(signal),
			}),
		);
	}

	/** Clear the status, video and error of a content item without a live generation. Its generations stay. */
	resetVideo(contentId: string, { signal }: RequestOptions = {}): Promise<Video> {
		return unwrap(
			this.raw.POST("/integrations/ai-avatar/videos/{content_id}/reset", {
				params: { path: { content_id: contentId } },
				...given(signal),
			}),
		);
	}

	/**
	 * Yield the latest generation of a content item and each change of it, until it has ended.
	 * Survives lost connections and expired tokens. Leave the loop, or abort `signal`, to stop.
	 */
	followVideo(contentId: string, { signal }: RequestOptions = {}): AsyncGenerator<Generation, void, void> {
		const path = `/integrations/ai-avatar/videos/${encodeURIComponent(contentId)}/events`;
		return follow(this.#transport, this.baseUrl + path, signal);
	}
}

/** Return a random key for `generateVideo`. */
export function createIdempotencyKey(): string {
	// crypto.randomUUID is missing on pages without https.
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

interface Result<Data> {
	data?: Data;
	error?: unknown;
	response: Response;
}

async function unwrap<Data>(call: Promise<Result<Data>>): Promise<Data> {
	try {
		const { data, error, response } = await call;
		if (!response.ok) throw toError(response, error);
		return data as Data; // undefined only for 204
	} catch (cause) {
		if (!(cause instanceof SyntaxError)) throw cause;
		throw new AiAvatarError("unexpected_response", "The service's answer is not JSON.", { cause });
	}
}

function list<Item>(
	cursor: string | null | undefined,
	fetchPage: (query: { cursor?: string }) => Promise<Result<Page<Item>>>,
): PagedList<Item> {
	return new PagedList((next) => unwrap(fetchPage(next === undefined ? {} : { cursor: next })), cursor ?? undefined);
}

function given(signal: AbortSignal | undefined): { signal?: AbortSignal } {
	return signal ? { signal } : {};
}
