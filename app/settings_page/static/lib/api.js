// The service's HTTP API, as far as the page needs it.

const TIMEOUT = 60_000; // ms; a key check or a webhook call takes the server at most 15 s each

/** A refusal or a failure. `code` is the server's, or `offline`, `unreachable`. */
export class ApiError extends Error {
	constructor(code, { status = 0, detail = "", errors = [] } = {}) {
		super(detail || code);
		Object.assign(this, { code, status, detail, errors });
	}
}

export class Api {
	#session;
	#base;

	/** `base`: where the service is; `businessId`: null for the signed-in user's own. */
	constructor(session, { base, businessId, provider }) {
		this.#session = session;
		this.#base = base.replace(/\/+$/, "");
		this.businessId = businessId;
		this.provider = provider;
	}

	/** The integration, or null. The list answers 200 where there is none, and needs no business id. */
	async integration() {
		const page = await this.json("GET", "", { query: this.scope({ provider: this.provider, limit: 1 }) });
		return this.#learn(page.items[0] ?? null);
	}

	async connect(fields) {
		return this.#learn(await this.json("POST", "", { body: this.scope({ provider: this.provider, ...fields }) }));
	}

	async change(fields) {
		return this.#learn(await this.json("PATCH", this.#own(), { query: this.#which(), body: fields }));
	}

	async validate() {
		return this.#learn(await this.json("POST", `${this.#own()}/validate`, { query: this.#which() }));
	}

	remove() {
		return this.json("DELETE", this.#own(), { query: this.#which() });
	}

	/** A page of `avatars` or `voices`. */
	catalogue(kind, cursor) {
		return this.json("GET", `${this.#own()}/${kind}`, { query: { ...this.#which(), limit: 50, cursor } });
	}

	videos(cursor) {
		return this.json("GET", "/videos", { query: this.scope({ limit: 20, cursor }) });
	}

	#learn(integration) {
		this.businessId = integration?.business_id ?? this.businessId;
		return integration;
	}

	/** With the business, where it is known. */
	scope = (fields) => (this.businessId ? { business_id: this.businessId, ...fields } : fields);
	#which = () => ({ provider: this.provider });
	#own = () => `/${encodeURIComponent(this.businessId)}`;

	async json(method, path, options) {
		const { response } = await this.send(method, path, { ...options, signal: AbortSignal.timeout(TIMEOUT) });
		if (response.status === 204) return null;
		return response.json().catch(() => { throw new ApiError("unexpected_answer", { status: response.status }); });
	}

	/** Send with a token; a 401 asks the host for another, once. */
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

	async #fetch(method, path, token, { query = {}, body, headers = {}, signal }) {
		const url = new URL(`${this.#base}/integrations/ai-avatar${path}`);
		for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
		const request = { method, signal, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" };
		request.headers = { Authorization: `Bearer ${token}`, ...headers };
		if (body) {
			request.headers["Content-Type"] = "application/json";
			request.body = JSON.stringify(body);
		}
		try {
			return await fetch(url, request);
		} catch (error) {
			if (error.name === "AbortError") throw error;
			throw new ApiError(navigator.onLine ? "unreachable" : "offline", { detail: error.message });
		}
	}
}
