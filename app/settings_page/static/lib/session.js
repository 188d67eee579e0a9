// @ts-check
// The user's access token: kept in memory only, requested from the host, requested again when it has expired.

/** @import { TokenReason } from "./types.js" */

export class SessionExpired extends Error {
	code = "session_expired";
}

/** A new token. `otherUser`: it belongs to another user than the last one. */
export class TokenEvent extends Event {
	/** @param {boolean} otherUser */
	constructor(otherUser) {
		super("token");
		this.otherUser = otherUser;
	}
}

const TOKEN_RETRY_DELAYS = [0, 100, 400, 1500]; // ms; a host may attach its listener after the element has started

/** Dispatches a `TokenEvent` for each new token, and `expired` when the host has no valid one. */
export class Session extends EventTarget {
	#requestToken;
	/** @type {string | null} */
	#token = null;
	/** @type {Promise<string> | null} */
	#pending = null;

	/** @param {(reason: TokenReason) => Promise<string | null>} requestToken asks the host; null if it has no token */
	constructor(requestToken) {
		super();
		this.#requestToken = requestToken;
	}

	/** Take a token from the host. Requests that wait for one continue. @param {string | null} token */
	set(token) {
		if (!token || token === this.#token) return;
		const previous = userOf(this.#token);
		this.#token = token;
		this.dispatchEvent(new TokenEvent(previous !== null && previous !== userOf(token)));
	}

	async token() {
		return this.#token ?? this.renew(null);
	}

	/**
	 * Get a token other than `refused`. Simultaneous callers share one request.
	 * @param {string | null} refused
	 * @throws {SessionExpired} when the host has none
	 */
	async renew(refused) {
		if (this.#token && this.#token !== refused) return this.#token;
		this.#pending ??= this.#request(refused).finally(() => { this.#pending = null; });
		return this.#pending;
	}

	/** Ask the host at once, on the user's word that there is a session again. True if there is. */
	async again() {
		try {
			await this.renew(this.#token);
			return true;
		} catch {
			return false;
		}
	}

	/** Wait for the host's next token, or until the signal aborts. @param {AbortSignal} signal @returns {Promise<void>} */
	next(signal) {
		return new Promise((resolve) => {
			const done = () => {
				this.removeEventListener("token", done);
				signal.removeEventListener("abort", done);
				resolve();
			};
			this.addEventListener("token", done);
			signal.addEventListener("abort", done);
		});
	}

	/** @param {string | null} refused */
	async #request(refused) {
		for (const delay of refused ? [0] : TOKEN_RETRY_DELAYS) {
			if (delay) await new Promise((resolve) => setTimeout(resolve, delay));
			const token = this.#token !== refused ? this.#token : await this.#requestToken(refused ? "expired" : "initial");
			if (token && token !== refused) {
				this.set(token);
				return token;
			}
		}
		this.dispatchEvent(new Event("expired"));
		throw new SessionExpired("the host has no valid token");
	}
}

/** The user that a token belongs to, or null if it does not say. @param {string | null} token @returns {string | null} */
function userOf(token) {
	try {
		const payload = (token ?? "").split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
		return JSON.parse(atob(payload)).sub ?? null;
	} catch {
		return null;
	}
}
