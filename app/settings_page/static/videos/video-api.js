// @ts-check
// The part of the API that concerns the video of one content item.

/** @import { Api } from "../lib/api.js" */
/** @import { Generation } from "../lib/types.js" */

export class VideoApi {
	#api;

	/** @param {Api} api */
	constructor(api) {
		this.#api = api;
	}

	/** The latest generation, with a fresh link. @param {string} contentId @returns {Promise<Generation>} */
	generation(contentId) {
		return this.#api.json("GET", path(contentId));
	}

	/**
	 * @param {string} contentId
	 * @param {string} script
	 * @param {string} idempotencyKey
	 * @returns {Promise<Generation>}
	 */
	generate(contentId, script, idempotencyKey) {
		const body = this.#api.withBusiness({ content_id: contentId, script, provider: this.#api.provider });
		return this.#api.json("POST", "/generate-video", { body, headers: { "Idempotency-Key": idempotencyKey } });
	}

	/** @param {string} contentId @returns {Promise<Generation>} */
	cancel(contentId) {
		return this.#api.json("POST", `${path(contentId)}/cancel`);
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
