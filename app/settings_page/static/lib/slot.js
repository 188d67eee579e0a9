// @ts-check
// The place beside a control where it says what became of its action.
import { button, clear, h, notice, setBusy } from "./dom.js";
import { explain } from "./explain.js";
import { mayRetry, toFailure } from "./failure.js";
import { Outages } from "./outages.js";
import { common, outage as outageWords } from "./strings.js";

/** @import { Context } from "./context.js" */
/** @import { Outage } from "./outages.js" */

/**
 * @template T
 * @typedef {object} Action
 * @property {HTMLElement} control shows that it is busy
 * @property {string} [doing] its label meanwhile
 * @property {() => Promise<T>} work may run again, after an outage or on *Try again*
 * @property {(value: T) => unknown} [done]
 * @property {(error: unknown) => boolean | void} [failed] true if it has shown the error itself
 */

export class Slot {
	#context; #provider; #running = false;
	/** @type {ReturnType<typeof setInterval> | undefined} */
	#countdown;
	/** @type {AbortController | null} */
	#waiting = null;

	/** @param {Context} context @param {string} [provider] its title, for messages */
	constructor(context, provider = "") {
		this.#context = context;
		this.#provider = provider;
		this.element = h("div", { class: "slot", role: "alert" });
		context.signal.addEventListener("abort", () => this.clear());
	}

	get isEmpty() { return !this.element.hasChildNodes(); }
	get isRunning() { return this.#running; }

	clear() {
		clearInterval(this.#countdown);
		this.#waiting?.abort();
		clear(this.element);
	}

	/**
	 * Run an action. A failure is shown here. While the connection or the session is away, it waits and then goes on.
	 * @template T
	 * @param {Action<T>} action
	 * @returns {Promise<T | undefined>} undefined if it has failed
	 */
	async run(action) {
		if (this.#running) return undefined;
		this.#running = true;
		this.clear();
		try {
			const value = await this.#attempt(action);
			setBusy(action.control, null);
			await action.done?.(value);
			return value;
		} catch (error) {
			setBusy(action.control, null);
			if (this.#context.signal.aborted || error === STOPPED) return undefined;
			if (!action.failed?.(error)) this.show(error, () => { this.#running = false; this.run(action); });
			return undefined;
		} finally {
			this.#running = false;
		}
	}

	/** @template T @param {Action<T>} action @returns {Promise<T>} */
	async #attempt({ control, doing, work }) {
		for (;;) {
			setBusy(control, doing ?? null, true);
			try {
				return await work();
			} catch (error) {
				const kind = Outages.of(error);
				if (!kind) throw error;
				setBusy(control, this.#context.text.section("common", common).waiting, true);
				if (!(await this.#wait(kind))) throw STOPPED;
			}
		}
	}

	/** @param {Outage} kind */
	async #wait(kind) {
		const { text, outages } = this.#context;
		const stop = new AbortController();
		this.#waiting = stop;
		const actions = [button(text.section("common", common).stopWaiting, () => stop.abort(), "quiet")];
		if (kind === "expired") actions.unshift(signInButton(this.#context));
		this.element.replaceChildren(notice("warn", text.section("outage", outageWords)[kind], ...actions));
		const over = await outages.wait(kind, stop.signal);
		this.#waiting = null;
		clear(this.element);
		return over;
	}

	/** Show an error, with its reference and, where that may help, a button to try again. @param {unknown} error @param {(() => void) | null} [retry] */
	show(error, retry = null) {
		const { text } = this.#context;
		const failure = toFailure(error);
		this.clear();
		this.#context.report(failure);
		const again = retry && mayRetry(error) ? this.#retryButton(failure.retryAfter, retry) : null;
		const message = { ...explain(error, text, this.#provider), reference: failure.requestId };
		this.element.replaceChildren(notice("bad", message, text.section("common", common).reference, again));
	}

	/** Enabled once `seconds` are over: the service has asked not to be called before. @param {number} seconds @param {() => void} retry */
	#retryButton(seconds, retry) {
		const { text } = this.#context;
		const words = text.section("common", common);
		const end = Date.now() + seconds * 1000;
		const element = button(words.retry, () => {
			if (element.getAttribute("aria-disabled") !== "true") retry();
		});
		const tick = () => {
			const left = Math.ceil((end - Date.now()) / 1000);
			element.setAttribute("aria-disabled", String(left > 0));
			element.textContent = left > 0 ? text.fill(words.retryIn, { n: left }) : words.retry;
			if (left <= 0) clearInterval(this.#countdown);
		};
		if (seconds > 0) this.#countdown = setInterval(tick, 1000);
		if (seconds > 0) tick();
		return element;
	}
}

const STOPPED = new Error("the user no longer waits");

/** Asks the host for a token at once. @param {Context} context */
export function signInButton({ session, text, announce }) {
	const words = text.section("outage", outageWords);
	const element = button(words.signedIn, async () => {
		if (element.hasAttribute("data-busy")) return;
		setBusy(element, words.signedIn, true);
		const isBack = await session.again();
		setBusy(element, null);
		if (isBack || !element.isConnected) return;
		announce(words.stillExpired);
		if (!element.parentElement?.querySelector(".still")) element.before(h("span", { class: "still small" }, words.stillExpired));
	}, "quiet");
	return element;
}
