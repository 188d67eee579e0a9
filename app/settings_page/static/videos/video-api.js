// @ts-check
// The part of the API that concerns the videos of one content item.

/** @import { Api } from "../lib/api.js" */
/** @import { ContentItem, Generation, Page } from "../lib/types.js" */

export class VideoApi {
	#api;

	/** @param {Api} api */
	constructor(api) {
		this.#api = api;
	}

	/** The latest generation or an earlier one, with a fresh link. @param {string} contentId @param {string | null} [id] @returns {Promise<Generation>} */
	generation(contentId, id = null) {
		return this.#api.json("GET", path(contentId), { query: { generation_id: id } });
	}

	/** All generations, newest first. @param {string} contentId @param {string | null} cursor @returns {Promise<Page<Generation>>} */
	generations(contentId, cursor) {
		return this.#api.json("GET", `${path(contentId)}/generations`, { query: { limit: 10, cursor } });
	}

	/** The item, or null if there is none. @param {string} contentId @returns {Promise<ContentItem | null>} */
	async item(contentId) {
		return (await this.#api.items({ content_id: [contentId], limit: 1 })).items[0] ?? null;
	}

	/**
	 * @param {string} contentId
	 * @param {string} script
	 * @param {string} provider
	 * @param {string} idempotencyKey
	 * @returns {Promise<Generation>}
	 */
	generate(contentId, script, provider, idempotencyKey) {
		const body = this.#api.withBusiness({ content_id: contentId, script, provider });
		return this.#api.json("POST", "/generate-video", { body, headers: { "Idempotency-Key": idempotencyKey } });
	}

	/** @param {string} contentId @returns {Promise<Generation>} */
	cancel(contentId) {
		return this.#api.json("POST", `${path(contentId)}/cancel`);
	}

	/** @param {string} contentId @returns {Promise<ContentItem>} */
	reset(contentId) {
		return this.#api.json("POST", `${path(contentId)}/reset`);
	}

	/** Open the event stream. Call `renew()` when its token has expired. @param {string} contentId @param {AbortSignal} signal */
	async events(contentId, signal) {
		const headers = { Accept: "text/event-stream" };
		const { response, renew } = await this.#api.send("GET", `${path(contentId)}/events`, { headers, signal });
		return { body: /** @type {ReadableStream<Uint8Array>} */ (response.body), renew };
	}
}

/** @param {string} contentId */
const path = (contentId) => `/videos/${encodeURIComponent(contentId)}`;
