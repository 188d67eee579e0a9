// @ts-check
// The service's HTTP API, as far as the page needs it.
import { ApiError } from "./failure.js";

/** @import { Account, CatalogueItem, CatalogueKind, CatalogueFilters, ContentItem, Integration, IntegrationFields, Page } from "./types.js" */
/** @import { Session } from "./session.js" */

/** @typedef {Record<string, string | number | boolean | string[] | null | undefined>} Query */
/** @typedef {{ query?: Query, body?: object, headers?: Record<string, string>, signal?: AbortSignal }} RequestOptions */

const TIMEOUT = 60_000; // ms; a key check or a webhook call takes the service 15 s at most

export class Api {
	#session; #businessId;

	/**
	 * @param {Session} session
	 * @param {{ base: string, businessId: string | null }} options `base`: the service's URL; `businessId` null: the
	 * signed-in user's own
	 */
	constructor(session, { base, businessId }) {
		this.#session = session;
		this.base = base.replace(/\/+$/, "");
		this.#businessId = businessId;
	}

	/** The business's integrations. A list needs no business id. @returns {Promise<Integration[]>} */
	async integrations() {
		const { items } = await this.json("GET", "", { query: this.withBusiness({ limit: 100 }) });
		for (const integration of items) this.#remember(integration);
		return items;
	}

	/** @param {string} provider @param {IntegrationFields} fields @returns {Promise<Integration>} */
	async connect(provider, fields) {
		return this.#remember(await this.json("POST", "", { body: this.withBusiness({ provider, ...fields }) }));
	}

	/** @param {string} provider @param {IntegrationFields} fields @returns {Promise<Integration>} */
	async change(provider, fields) {
		return this.json("PATCH", this.#path, { query: { provider }, body: fields });
	}

	/** Have the stored key checked. @param {string} provider @returns {Promise<Integration>} */
	async validate(provider) {
		return this.json("POST", `${this.#path}/validate`, { query: { provider } });
	}

	/** @param {string} provider @returns {Promise<null>} */
	remove(provider) {
		return this.json("DELETE", this.#path, { query: { provider } });
	}

	/** @param {string} provider @returns {Promise<Account>} */
	account(provider) {
		return this.json("GET", `${this.#path}/account`, { query: { provider } });
	}

	/**
	 * @param {string} provider
	 * @param {CatalogueKind} kind
	 * @param {CatalogueFilters} filters
	 * @param {string | null} cursor
	 * @returns {Promise<Page<CatalogueItem>>}
	 */
	catalogue(provider, kind, filters, cursor) {
		return this.json("GET", `${this.#path}/${kind}`, { query: { provider, limit: 50, ...filters, cursor } });
	}

	/**
	 * Content items with their videos.
	 * @param {{ q?: string, heygen_status?: string, content_id?: string[], limit?: number, count?: boolean, cursor?: string | null }} query
	 * @returns {Promise<Page<ContentItem>>}
	 */
	items(query) {
		return this.json("GET", "/videos", { query: this.withBusiness(query) });
	}

	/** Add the business id, if it is known. @template {object} Fields @param {Fields} fields */
	withBusiness(fields) {
		return this.#businessId ? { business_id: this.#businessId, ...fields } : fields;
	}

	/** @param {Integration} integration */
	#remember(integration) {
		this.#businessId = integration.business_id;
		return integration;
	}

	get #path() { return `/${encodeURIComponent(this.#businessId ?? "")}`; }

	/**
	 * Send a request and return the body of the response.
	 * @param {string} method
	 * @param {string} path
	 * @param {RequestOptions} [options]
	 * @returns {Promise<any>}
	 */
	async json(method, path, options) {
		const { response } = await this.send(method, path, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
		if (response.status === 204) return null;
		return response.json().catch(() => {
			throw new ApiError("unexpected_response", { status: response.status }, response.headers);
		});
	}

	/**
	 * Send a request with a token. After a 401, ask the host for another token, once.
	 * @param {string} method
	 * @param {string} path
	 * @param {RequestOptions} options
	 */
	async send(method, path, options) {
		let token = await this.#session.token();
		let response = await this.#fetch(method, path, token, options);
		if (response.status === 401) {
			token = await this.#session.renew(token);
			response = await this.#fetch(method, path, token, options);
		}
		if (response.ok) return { response, renew: () => this.#session.renew(token) };
		const problem = await response.json().catch(() => ({}));
		throw new ApiError(problem.code ?? `http_${response.status}`, { ...problem, status: response.status }, response.headers);
	}

	/** @param {string} method @param {string} path @param {string} token @param {RequestOptions} options */
	async #fetch(method, path, token, { query = {}, body, headers = {}, signal }) {
		const url = new URL(`${this.base}/integrations/ai-avatar${path}`);
		for (const [name, value] of Object.entries(query)) {
			for (const one of [value].flat()) if (one) url.searchParams.append(name, String(one));
		}
		/** @type {RequestInit} */
		const request = {
			method,
			signal,
			cache: "no-store",
			credentials: "omit",
			referrerPolicy: "no-referrer",
			headers: { Authorization: `Bearer ${token}`, ...(body && { "Content-Type": "application/json" }), ...headers },
			body: body && JSON.stringify(body),
		};
		try {
			return await fetch(url, request);
		} catch (error) {
			if (error instanceof DOMException && error.name === "AbortError") throw error;
			throw new ApiError(navigator.onLine ? "unreachable" : "offline", { detail: String(error) });
		}
	}
}

/**
 * Load a part of the page when it is first opened.
 * @template T
 * @param {() => Promise<T>} load imports it
 * @returns {Promise<T>}
 */
export async function loadPart(load) {
	try {
		return await load();
	} catch (error) {
		throw new ApiError(navigator.onLine ? "unreachable" : "offline", { detail: String(error) });
	}
}
