// The API's part about one content's video.

export class VideoApi {
	#api;

	constructor(api) { this.#api = api; }

	/** The latest generation, its link fresh. */
	generation(contentId) { return this.#api.json("GET", path(contentId)); }

	/** `attempt`: the Idempotency-Key. */
	generate(contentId, script, attempt) {
		const body = this.#api.scope({ content_id: contentId, script, provider: this.#api.provider });
		return this.#api.json("POST", "/generate-video", { body, headers: { "Idempotency-Key": attempt } });
	}

	cancel(contentId) { return this.#api.json("POST", `${path(contentId)}/cancel`); }

	/** An open event stream: its body, and `renew()` for when its token has expired. */
	async events(contentId, signal) {
		const headers = { Accept: "text/event-stream" };
		const { response, renew } = await this.#api.send("GET", `${path(contentId)}/events`, { headers, signal });
		return { body: response.body, renew };
	}
}

const path = (contentId) => `/videos/${encodeURIComponent(contentId)}`;
