// @ts-check
// Learns that something may have changed elsewhere: in another tab, or while this page was not looked at.

const QUIET = 2_000; // ms between two looks

/** Dispatches `look` when what is shown should be loaded again. */
export class Sync extends EventTarget {
	#channel; #last = Date.now();

	/** @param {string} scope the service's URL and the business: tabs of others are not concerned @param {AbortSignal} signal */
	constructor(scope, signal) {
		super();
		this.#channel = new BroadcastChannel(`ai-avatar ${scope}`);
		this.#channel.addEventListener("message", () => this.#look());
		for (const [target, type] of /** @type {[EventTarget, string][]} */ ([
			[window, "focus"], [window, "pageshow"], [document, "visibilitychange"],
		])) {
			target.addEventListener(type, () => {
				if (!document.hidden && Date.now() - this.#last > QUIET) this.#look();
			}, { signal });
		}
		signal.addEventListener("abort", () => this.#channel.close());
	}

	/** Tell the other tabs that something was changed here. It is not said what: they ask the service. */
	tell() {
		this.#last = Date.now();
		this.#channel.postMessage("changed");
	}

	#look() {
		this.#last = Date.now();
		this.dispatchEvent(new Event("look"));
	}
}
