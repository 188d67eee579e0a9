// @ts-check
// The open content item: its script, the button that starts a video, its progress, the finished video.
import { confirm } from "../lib/confirm.js";
import { button, h, notice, setBusy } from "../lib/dom.js";
import { explain, isReportedByBanner, toFailure } from "../lib/explain.js";
import { strings } from "../lib/strings.js";
import { adopt } from "../lib/styles.js";
import sheet from "./video.css.js";
import { follow } from "./follow.js";
import { isLive } from "./generation.js";
import { Progress } from "./progress.js";
import { Result } from "./result.js";
import { VideoApi } from "./video-api.js";

/** @import { Context } from "../lib/context.js" */
/** @import { ContentItem, Generation, Integration } from "../lib/types.js" */

const MAX_SCRIPT_LENGTH = 5000; // code points

export class VideoPane {
	#api; #session; #root; #provider; #announce; #ongeneration;
	#progress; #result; #script; #count; #note; #problem; #startButton; #editor;
	/** @type {Integration | null} */
	#integration = null;
	/** @type {ContentItem | null} */
	#item = null;
	/** @type {Map<string, string>} scripts as typed, by content id */
	#drafts = new Map();
	/** @type {Map<string, { script: string, key: string }>} starts whose outcome is unknown, by content id */
	#attempts = new Map();
	/** @type {Set<string>} content ids */
	#starting = new Set();
	/** @type {AbortController | null} */
	#stream = null;

	/** @param {Context & { ongeneration: (contentId: string, generation: Generation) => void }} options */
	constructor({ api, session, root, provider, announce, ongeneration }) {
		this.#api = new VideoApi(api);
		this.#session = session;
		this.#root = root;
		this.#provider = provider;
		this.#announce = announce;
		this.#ongeneration = ongeneration;
		adopt(root, sheet);
		const words = strings.videos;
		this.#progress = new Progress({ provider, announce, oncancel: () => this.#cancel() });
		this.#result = new Result({ provider, refresh: () => this.#refreshLink() });
		this.#script = h("textarea", { id: "script", class: "input", rows: 8, "aria-describedby": "script-count script-note",
			oninput: () => this.#renderScript() });
		this.#count = h("span", { class: "count", id: "script-count" });
		this.#note = h("p", { class: "hint", id: "script-note" });
		this.#problem = h("div", { role: "alert" });
		this.#startButton = button(words.generate, () => this.#start(), "primary");
		this.#editor = h("div", { class: "editor" },
			h("div", { class: "label-line" }, h("label", { for: "script" }, words.script), this.#count),
			this.#script,
			h("div", { class: "actions" }, this.#note, this.#startButton));
		this.element = h("div", { class: "pane", role: "group" },
			this.#result.element, this.#progress.element, this.#editor, this.#problem);
	}

	/** Show a content item. @param {ContentItem} item @param {string} labelledBy the id of the element with its title */
	open(item, labelledBy) {
		this.#item = item;
		this.element.setAttribute("aria-labelledby", labelledBy);
		this.#script.value = this.#drafts.get(item.content_id) ?? item.video_script ?? "";
		this.#problem.replaceChildren();
		this.#render();
		this.#follow();
		if (item.generation?.status === "completed") this.#refreshLink(true);
	}

	/** Take the item's new state after the list was loaded again. What was typed stays. @param {ContentItem} item */
	refresh(item) {
		this.#item = item;
		this.#render();
		if (!this.#stream) this.#follow();
	}

	/** @param {Integration | null} integration */
	setIntegration(integration) {
		this.#integration = integration;
		this.#render();
	}

	close() {
		this.element.remove();
		this.#item = null;
		this.#stream?.abort();
		this.#stream = null;
		this.#progress.stop();
	}

	#render() {
		if (!this.#item) return;
		const { generation, content_id: id } = this.#item;
		this.#progress.show(isLive(generation) ? generation : null);
		this.#result.show(this.#item);
		this.#editor.hidden = isLive(generation);
		const starting = this.#starting.has(id);
		setBusy(this.#startButton, starting ? strings.videos.starting : null);
		if (!starting) this.#startButton.textContent = this.#result.hasVideo ? strings.videos.again : strings.videos.generate;
		this.#renderScript();
	}

	/** Keep the draft; update the count, the note and the button. */
	#renderScript() {
		const words = strings.videos;
		const script = this.#script.value;
		if (this.#item && script !== (this.#item.video_script ?? "")) this.#drafts.set(this.#item.content_id, script);
		else if (this.#item) this.#drafts.delete(this.#item.content_id);
		const length = [...script].length;
		const over = length - MAX_SCRIPT_LENGTH;
		this.#count.textContent = words.count(length, MAX_SCRIPT_LENGTH);
		this.#count.toggleAttribute("data-over", over > 0);
		this.#script.setAttribute("aria-invalid", String(over > 0));
		const obstacle = this.#obstacle();
		this.#note.textContent = over > 0 ? words.tooLong(over) : obstacle ?? words.bills(this.#provider);
		const ready = !obstacle && over <= 0 && script.trim();
		this.#startButton.setAttribute("aria-disabled", String(!ready || this.#startButton.hasAttribute("data-busy")));
	}

	/** What must be done before a video can be made, or null. */
	#obstacle() {
		const words = strings.videos;
		if (!this.#integration) return words.connectFirst(this.#provider);
		if (this.#integration.status !== "active") return words.solveFirst(this.#provider);
		return this.#integration.avatar_id ? null : words.avatarFirst;
	}

	async #start() {
		if (!this.#item) return;
		const id = this.#item.content_id;
		const script = this.#script.value;
		if (this.#starting.has(id)) return;
		if (!script.trim()) this.#showError(id, { code: "script_missing" });
		if (this.#startButton.getAttribute("aria-disabled") === "true") return;
		this.#problem.replaceChildren();
		this.#starting.add(id);
		this.#render();
		try {
			this.#update(id, await this.#api.generate(id, script, this.#idempotencyKey(id, script)));
			this.#attempts.delete(id);
		} catch (error) {
			const { code, status } = toFailure(error);
			if (status) this.#attempts.delete(id); // the service has responded, so the next start is a new one
			this.#showError(id, error);
			if (code === "generation_in_progress") {
				// A failure here changes nothing: the error above is already shown.
				await this.#api.generation(id).then((generation) => this.#update(id, generation), () => {});
			}
		}
		this.#starting.delete(id);
		if (this.#item?.content_id !== id) return;
		this.#render();
		if (isLive(this.#item.generation)) this.#progress.focus();
		this.#follow();
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

	/** Take a new state of a video. @param {string} contentId @param {Generation} generation */
	#update(contentId, generation) {
		const wasLive = this.#item?.content_id === contentId && isLive(this.#item.generation);
		this.#ongeneration(contentId, generation);
		if (this.#item?.content_id !== contentId) return;
		const hadFocus = this.#progress.element.contains(this.#root.activeElement);
		this.#render();
		if (!wasLive || isLive(generation)) return;
		if (generation.status === "completed") this.#announce(strings.progress.now(this.#provider)[3]);
		if (hadFocus) (this.#result.hasVideo ? this.#result : this.#startButton).focus();
	}

	async #follow() {
		const generation = this.#item?.generation;
		const id = this.#item?.content_id;
		if (this.#stream || !id || !isLive(generation)) return;
		const stream = new AbortController();
		this.#stream = stream;
		try {
			await follow(this.#api, this.#session, id, {
				signal: stream.signal,
				onGeneration: (generation) => { if (!stream.signal.aborted) this.#update(id, generation); },
				onConnection: (connected) => this.#progress.setConnected(connected),
			});
		} catch (error) {
			this.#showError(id, error);
		}
		if (this.#stream === stream) this.#stream = null;
	}

	async #cancel() {
		const id = this.#item?.content_id;
		if (!id) return;
		const words = strings.cancelling;
		await confirm(this.#root, {
			title: words.title,
			text: words.text(this.#provider),
			yes: words.confirm,
			no: words.keep,
			doing: strings.videos.cancelling,
			explain: (error) => explain(error, this.#provider),
			act: async () => this.#update(id, await this.#api.cancel(id)),
		});
		if (!this.#editor.hidden) this.#startButton.focus();
	}

	/** Get the video's current link: a provider's links expire. @param {boolean} [quiet] show no error */
	async #refreshLink(quiet = false) {
		const id = this.#item?.content_id;
		if (!id) return;
		try {
			this.#update(id, await this.#api.generation(id));
		} catch (error) {
			if (!quiet) this.#showError(id, error);
		}
	}

	/** @param {string} contentId @param {unknown} error */
	#showError(contentId, error) {
		if (this.#item?.content_id !== contentId || isReportedByBanner(error)) return;
		this.#problem.replaceChildren(notice("bad", explain(error, this.#provider)));
	}
}
