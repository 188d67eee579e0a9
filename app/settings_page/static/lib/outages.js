// @ts-check
// Whether the connection or the session is away. What waits for its end goes on by itself.
import { toFailure } from "./failure.js";

/** @import { Session } from "./session.js" */

/** @typedef {"offline" | "expired"} Outage */

/** Dispatches `change` when the banner has another outage to report, and `over` when one has ended. */
export class Outages extends EventTarget {
	/** @type {Outage | null} */
	#kind = null;
	#reportedElsewhere = 0;

	/** @param {Session} session @param {AbortSignal} signal ends it */
	constructor(session, signal) {
		super();
		this.session = session;
		addEventListener("offline", () => this.#set("offline"), { signal });
		addEventListener("online", () => this.#end("offline"), { signal });
		session.addEventListener("expired", () => this.#set("expired"), { signal });
		session.addEventListener("token", () => this.#end("expired"), { signal });
		if (!navigator.onLine) this.#kind = "offline";
	}

	/** The outage that an error reports, or null. @param {unknown} error @returns {Outage | null} */
	static of(error) {
		const { code } = toFailure(error);
		return code === "session_expired" ? "expired" : code === "offline" ? "offline" : null;
	}

	/** What the banner reports: null while a message beside a control does. */
	get banner() { return this.#reportedElsewhere ? null : this.#kind; }

	/**
	 * Wait until an outage is over; false if the signal aborts first. Meanwhile the caller reports it, not the banner.
	 * @param {Outage} kind
	 * @param {AbortSignal} signal
	 * @returns {Promise<boolean>}
	 */
	wait(kind, signal) {
		if (kind === "offline" && navigator.onLine) return Promise.resolve(!signal.aborted);
		this.#kind = kind;
		this.#report(1);
		return new Promise((resolve) => {
			const done = () => {
				this.removeEventListener("over", done);
				signal.removeEventListener("abort", done);
				this.#report(-1);
				resolve(!signal.aborted);
			};
			this.addEventListener("over", done);
			signal.addEventListener("abort", done);
		});
	}

	/** @param {number} change */
	#report(change) {
		this.#reportedElsewhere += change;
		this.dispatchEvent(new Event("change"));
	}

	/** @param {Outage} kind */
	#set(kind) {
		this.#kind = kind;
		this.dispatchEvent(new Event("change"));
	}

	/** @param {Outage} kind */
	#end(kind) {
		if (this.#kind !== kind) return;
		this.#kind = null;
		this.dispatchEvent(new Event("over"));
		this.dispatchEvent(new Event("change"));
	}
}
