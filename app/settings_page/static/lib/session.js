// The caller's access token: kept in memory, asked of the host, asked again when it has expired.

export class SessionExpired extends Error {
	code = "session_expired";
}

const PATIENCE = [0, 100, 400, 1500]; // ms: a host may attach its listener after the element is there

export class Session extends EventTarget {
	#ask;
	#token = null;
	#asking = null;

	/** `ask(reason)` asks the host; it gives a token, or null for none. */
	constructor(ask) {
		super();
		this.#ask = ask;
	}

	/** The host has a token: those who wait go on. */
	set(token) {
		if (!token || token === this.#token) return;
		const before = subject(this.#token);
		this.#token = token;
		const otherUser = before !== null && before !== subject(token);
		this.dispatchEvent(new CustomEvent("token", { detail: { otherUser } }));
	}

	async token() {
		return this.#token ?? this.renew(null);
	}

	/** Another token than `refused`. One question at a time; SessionExpired when the host has none. */
	async renew(refused) {
		if (this.#token && this.#token !== refused) return this.#token;
		this.#asking ??= this.#question(refused).finally(() => { this.#asking = null; });
		return this.#asking;
	}

	/** Resolves with the next token that the host gives. */
	next(signal) {
		return new Promise((resolve) => this.addEventListener("token", resolve, { once: true, signal }));
	}

	async #question(refused) {
		for (const wait of refused ? [0] : PATIENCE) {
			if (wait) await new Promise((resolve) => setTimeout(resolve, wait));
			const token = this.#token !== refused ? this.#token : await this.#ask(refused ? "expired" : "initial");
			if (token && token !== refused) {
				this.set(token);
				return token;
			}
		}
		this.dispatchEvent(new Event("expired"));
		throw new SessionExpired("the host has no valid token");
	}
}

/** Whose token it is, so that one user's page is never left on screen for another. Null if it does not say. */
function subject(token) {
	try {
		const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
		return JSON.parse(atob(payload)).sub ?? null;
	} catch {
		return null;
	}
}
