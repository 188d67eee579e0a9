// @ts-check
// The open content item: the finished video, the progress of one being made, the script of the next one.
import { confirm } from "../lib/confirm.js";
import { adopt, button, fill, flash, h, isDisabled, notice, setBusy } from "../lib/dom.js";
import { toFailure } from "../lib/failure.js";
import { Slot } from "../lib/slot.js";
import { follow } from "./follow.js";
import { isLive, stateOf, withGeneration } from "./generation.js";
import { History } from "./history.js";
import { Progress } from "./progress.js";
import { Result } from "./result.js";
import { ScriptEditor } from "./script-editor.js";
import { cancelling, pane, progress } from "./strings.js";
import sheet from "./video.css.js";
import { VideoApi } from "./video-api.js";

/** @import { Context } from "../lib/context.js" */
/** @import { ContentItem, Generation, Integration, Provider } from "../lib/types.js" */

/**
 * @typedef {object} PaneOptions
 * @property {Provider[]} providers
 * @property {(item: ContentItem, generation: Generation | null) => void} onitem called with each new state of the item
 * @property {() => void} onstale called when the item seems to have changed elsewhere
 */

export class VideoPane {
	#context; #api; #options; #words; #progress; #result; #history; #editor; #slot; #stuck;
	/** @type {ContentItem | null} */
	#item = null;
	/** @type {Map<string, { script: string, key: string }>} starts whose outcome is unknown, by content id */
	#attempts = new Map();
	/** @type {AbortController | null} */
	#stream = null;

	/** @param {Context} context @param {PaneOptions} options */
	constructor(context, options) {
		this.#context = context;
		this.#options = options;
		this.#api = new VideoApi(context.api);
		this.#words = context.text.section("pane", pane);
		adopt(context.root, sheet);
		this.#progress = new Progress(context, { oncancel: () => this.#cancel() });
		this.#result = new Result(context, { refresh: () => this.#refreshLink() });
		this.#history = new History(context, this.#api);
		this.#editor = new ScriptEditor(context, { providers: options.providers, onstart: () => this.#start() });
		this.#slot = new Slot(context, this.#editor.providerTitle);
		this.#stuck = h("div", {});
		this.element = h("div", { class: "pane", part: "pane", role: "group" },
			this.#stuck, this.#result.element, this.#progress.element, this.#editor.element, this.#slot.element, this.#history.element);
	}

	/** Show a content item. @param {ContentItem} item @param {string | null} labelledBy the id of the element with its title */
	open(item, labelledBy) {
		this.#item = item;
		if (labelledBy) this.element.setAttribute("aria-labelledby", labelledBy);
		this.#slot.clear();
		this.#editor.open(item);
		this.#render();
		this.#follow();
		if (item.generation?.status === "completed") this.#refreshLink(true);
	}

	/** Take the item's new state after it was loaded again. What was typed stays. @param {ContentItem} item */
	refresh(item) {
		if (!this.#item) return;
		const changed = JSON.stringify(item) !== JSON.stringify(this.#item);
		this.#item = item;
		if (changed) this.#slot.isRunning || this.#slot.clear(); // a message about what was before would contradict
		this.#render();
		if (!this.#stream) this.#follow();
	}

	/** @param {Integration[]} integrations */
	setIntegrations(integrations) {
		this.#editor.setIntegrations(integrations);
	}

	close() {
		this.element.remove();
		this.#item = null;
		this.#history.close();
		this.#stream?.abort();
		this.#stream = null;
		this.#progress.stop();
	}

	#render() {
		if (!this.#item) return;
		const { generation } = this.#item;
		const provider = this.#titleOf(generation?.provider);
		this.#progress.show(isLive(generation) ? generation : null, provider);
		this.#result.show(this.#item, provider);
		this.#history.show(this.#item.content_id, generation);
		this.#renderStuck();
		this.#editor.element.hidden = isLive(generation);
		this.#editor.refresh(this.#item, this.#result.hasVideo);
	}

	/** An item that says `processing` without a video being made can be reset. */
	#renderStuck() {
		const isStuck = this.#item !== null && stateOf(this.#item) === "stuck";
		if (!isStuck) return fill(this.#stuck);
		if (this.#stuck.hasChildNodes()) return undefined;
		const reset = button(this.#words.reset, () => this.#reset(reset));
		return fill(this.#stuck, notice("warn", this.#words.stuck, reset));
	}

	/** @param {HTMLElement} control */
	#reset(control) {
		const id = this.#item?.content_id;
		if (!id) return;
		this.#slot.run({
			control,
			doing: this.#words.resetting,
			work: () => this.#api.reset(id),
			done: (item) => {
				this.#take(item, null);
				this.#context.sync.tell();
				flash(this.#slot.element, this.#words.wasReset);
				this.#context.announce(this.#words.wasReset);
				this.#editor.focus();
			},
			failed: (error) => this.#lookAgainAfter(error, id),
		});
	}

	/** @param {string | undefined} name */
	#titleOf(name) {
		return this.#options.providers.find((one) => one.name === name)?.title ?? this.#editor.providerTitle;
	}

	#start() {
		const item = this.#item;
		const start = this.#editor.startButton;
		if (!item || isDisabled(start)) return;
		const id = item.content_id;
		const { script, provider } = this.#editor;
		this.#slot.run({
			control: start,
			doing: this.#words.starting,
			work: () => this.#api.generate(id, script, provider, this.#idempotencyKey(id, `${provider} ${script}`)),
			done: (generation) => {
				this.#attempts.delete(id);
				this.#takeGeneration(id, generation);
				if (this.#item?.content_id !== id) return;
				if (isLive(generation)) this.#progress.focus();
				this.#follow();
			},
			failed: (error) => {
				if (toFailure(error).status) this.#attempts.delete(id); // the service has responded: the next start is a new one
				this.#editor.render();
				return this.#lookAgainAfter(error, id);
			},
		});
	}

	/** After a 404 or 409, show what there is now, beside the error. @param {unknown} error @param {string} id */
	#lookAgainAfter(error, id) {
		const { status, code } = toFailure(error);
		if (code === "content_not_found" || status === 404) this.#options.onstale();
		else if (status === 409) {
			// A failure here changes nothing: the error is already shown.
			this.#api.item(id).then((item) => {
				if (!item) return this.#options.onstale();
				if (this.#item?.content_id === id) this.#take(item, item.generation);
				return this.#follow();
			}, () => {});
		}
		return false;
	}

	/**
	 * The same key until a response arrives, so that a start whose response was lost is not billed twice.
	 * @param {string} contentId
	 * @param {string} script
	 */
	#idempotencyKey(contentId, script) {
		const last = this.#attempts.get(contentId);
		if (last?.script === script) return last.key;
		const bytes = crypto.getRandomValues(new Uint8Array(16));
		const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
		this.#attempts.set(contentId, { script, key });
		return key;
	}

	/** @param {ContentItem} item @param {Generation | null} generation */
	#take(item, generation) {
		if (this.#item?.content_id === item.content_id) {
			this.#item = item;
			this.#render();
		}
		this.#options.onitem(item, generation);
	}

	/** Take a new state of a video. @param {string} contentId @param {Generation} generation */
	#takeGeneration(contentId, generation) {
		if (this.#item?.content_id !== contentId) return;
		const wasLive = isLive(this.#item.generation);
		const hadFocus = this.#progress.element.contains(this.#context.root.activeElement);
		this.#take(withGeneration(this.#item, generation), generation);
		if (wasLive !== isLive(generation)) this.#context.sync.tell();
		if (!wasLive || isLive(generation)) return;
		this.#slot.isRunning || this.#slot.clear();
		if (generation.status === "completed") this.#context.announce(this.#context.text.section("progress", progress).now[3]);
		if (hadFocus) (this.#result.hasVideo ? this.#result : this.#editor).focus();
	}

	async #follow() {
		const generation = this.#item?.generation;
		const id = this.#item?.content_id;
		if (this.#stream || !id || !isLive(generation)) return;
		const stream = new AbortController();
		this.#stream = stream;
		try {
			await follow(this.#api, this.#context.session, id, {
				signal: stream.signal,
				onGeneration: (generation) => { if (!stream.signal.aborted) this.#takeGeneration(id, generation); },
				onConnection: (connected) => this.#progress.setConnected(connected),
			});
		} catch (error) {
			if (this.#item?.content_id === id) this.#slot.show(error);
			this.#lookAgainAfter(error, id);
		}
		if (this.#stream === stream) this.#stream = null;
	}

	async #cancel() {
		const id = this.#item?.content_id;
		if (!id) return;
		const { text } = this.#context;
		const words = text.section("cancelling", cancelling);
		const p = { p: this.#titleOf(this.#item?.generation?.provider) };
		await confirm(this.#context, {
			title: text.fill(words.title, p),
			text: text.fill(words.text, p),
			yes: words.confirm,
			no: words.keep,
			doing: words.cancelling,
			provider: p.p,
			act: () => this.#api.cancel(id).then((generation) => this.#takeGeneration(id, generation), (error) => {
				// It has ended meanwhile: what became of it is shown.
				if (toFailure(error).code !== "generation_not_live") throw error;
				this.#lookAgainAfter(error, id);
			}),
		});
		if (!this.#editor.element.hidden) this.#editor.focus();
	}

	/** Get the video's current link: a provider's links expire. @param {boolean} [quiet] show no error */
	#refreshLink(quiet = false) {
		const id = this.#item?.content_id;
		if (!id) return;
		const ask = () => this.#api.generation(id);
		if (quiet) {
			ask().then((generation) => this.#takeLink(id, generation), () => {});
			return;
		}
		this.#slot.run({ control: this.#result.element, work: ask, done: (generation) => this.#takeLink(id, generation),
			failed: (error) => this.#lookAgainAfter(error, id) });
	}

	/** @param {string} id @param {Generation} generation */
	#takeLink(id, generation) {
		setBusy(this.#result.element, null);
		if (this.#item?.content_id === id) this.#take(withGeneration(this.#item, generation), null);
	}
}
