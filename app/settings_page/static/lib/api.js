// @ts-check
// The service's HTTP API, as far as the page needs it.

/** @import { CatalogueItem, CatalogueKind, ContentItem, Integration, IntegrationFields, Page } from "./types.js" */
/** @import { FieldError } from "./explain.js" */
/** @import { Session } from "./session.js" */

/** @typedef {Record<string, string | number | null | undefined>} Query */
/** @typedef {{ query?: Query, body?: object, headers?: Record<string, string>, signal?: AbortSignal }} RequestOptions */

const TIMEOUT = 60_000; // ms; a key check or a webhook call takes the service 15 s at most

/** A request that failed. `code` is the service's, or `offline`, `unreachable`, `unexpected_response`. */
export class ApiError extends Error {
	/**
	 * @param {string} code
	 * @param {{ status?: number, detail?: string, errors?: FieldError[] }} [problem] `status` 0: there was no response
	 */
	constructor(code, { status = 0, detail = "", errors = [] } = {}) {
		super(detail || code);
		this.code = code;
		this.status = status;
		this.detail = detail;
		this.errors = errors;
	}
}

export class Api {
	#session; #base; #businessId;

	/**
	 * @param {Session} session
	 * @param {object} options
	 * @param {string} options.base the service's URL
	 * @param {string | null} options.businessId null: the signed-in user's own business
	 * @param {string} options.provider
	 */
	constructor(session, { base, businessId, provider }) {
		this.#session = session;
		this.#base = base.replace(/\/+$/, "");
		this.#businessId = businessId;
		this.provider = provider;
	}

	/** The integration, or null. A list needs no business id, and returns 200 where there is no integration. */
	async integration() {
		/** @type {Page<Integration>} */
		const page = await this.json("GET", "", { query: this.withBusiness({ provider: this.provider, limit: 1 }) });
		return this.#remember(page.items[0] ?? null);
	}

	/** @param {IntegrationFields} fields @returns {Promise<Integration>} */
	async connect(fields) {
		const body = this.withBusiness({ provider: this.provider, ...fields });
		return this.#remember(await this.json("POST", "", { body }));
	}

	/** @param {IntegrationFields} fields @returns {Promise<Integration>} */
	async change(fields) {
		return this.#remember(await this.json("PATCH", this.#path, { query: this.#providerQuery, body: fields }));
	}

	/** Have the stored key checked. @returns {Promise<Integration>} */
	async validate() {
		return this.#remember(await this.json("POST", `${this.#path}/validate`, { query: this.#providerQuery }));
	}

	/** @returns {Promise<null>} */
	remove() {
		return this.json("DELETE", this.#path, { query: this.#providerQuery });
	}

	/** @param {CatalogueKind} kind @param {string | null} cursor @returns {Promise<Page<CatalogueItem>>} */
	catalogue(kind, cursor) {
		return this.json("GET", `${this.#path}/${kind}`, { query: { ...this.#providerQuery, limit: 50, cursor } });
	}

	/** Content items with their videos. @param {string | null} [cursor] @returns {Promise<Page<ContentItem>>} */
	videos(cursor) {
		return this.json("GET", "/videos", { query: this.withBusiness({ limit: 20, cursor }) });
	}

	/** Add the business id, if it is known. @template {object} Fields @param {Fields} fields */
	withBusiness(fields) {
		return this.#businessId ? { business_id: this.#businessId, ...fields } : fields;
	}

	/** @template {Integration | null} T @param {T} integration */
	#remember(integration) {
		this.#businessId = integration?.business_id ?? this.#businessId;
		return integration;
	}

	get #providerQuery() { return { provider: this.provider }; }
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
		return response.json().catch(() => { throw new ApiError("unexpected_response", { status: response.status }); });
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
		throw new ApiError(problem.code ?? `http_${response.status}`, { ...problem, status: response.status });
	}

	/** @param {string} method @param {string} path @param {string} token @param {RequestOptions} options */
	async #fetch(method, path, token, { query = {}, body, headers = {}, signal }) {
		const url = new URL(`${this.#base}/integrations/ai-avatar${path}`);
		for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, String(value));
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
