// One content's video: its script, its start, its progress, the finished video.
import { busy, button, h, isLive, notice } from "../lib/dom.js";
import { confirm } from "../lib/confirm.js";
import { follow } from "./follow.js";
import { Progress } from "./progress.js";
import { Result } from "./result.js";
import { explain, strings } from "../lib/strings.js";
import { adopt, load } from "../lib/styles.js";
import { VideoApi } from "./video-api.js";

const LONGEST_SCRIPT = 5000; // code points

const sheet = await load(new URL("video.css", import.meta.url));

export class VideoPane {
	#api; #session; #root; #provider; #say; #ongeneration;
	#integration = null;
	#item = null;
	#drafts = new Map(); // by content id: scripts as typed
	#attempts = new Map(); // by content id: {script, id} of a start whose outcome is not known
	#starting = new Set();
	#stream = null;

	constructor({ api, session, root, provider, say, ongeneration }) {
		this.#api = new VideoApi(api);
		this.#session = session;
		this.#root = root;
		this.#provider = provider;
		this.#say = say;
		this.#ongeneration = ongeneration;
		adopt(root, sheet);
		const words = strings.videos;
		this.progress = new Progress({ provider, say, oncancel: () => this.#cancel() });
		this.result = new Result({ provider, refresh: () => this.#refreshLink() });
		this.script = h("textarea", { id: "script", class: "input", rows: 8, "aria-describedby": "script-count script-note",
			oninput: () => this.#typed() });
		this.count = h("span", { class: "count", id: "script-count" });
		this.note = h("p", { class: "hint", id: "script-note" });
		this.problem = h("div", { role: "alert" });
		this.start = button(words.generate, () => this.#start(), "primary");
		this.editor = h("div", { class: "editor" },
			h("div", { class: "label-line" }, h("label", { for: "script" }, words.script), this.count),
			this.script, this.problem,
			h("div", { class: "actions" }, this.note, this.start));
		this.element = h("div", { class: "pane", role: "group" }, this.result.element, this.progress.element, this.editor);
	}

	/** Show a content; `labelledBy`: the id of what names it. */
	open(item, labelledBy) {
		this.#item = item;
		this.element.setAttribute("aria-labelledby", labelledBy);
		this.script.value = this.#drafts.get(item.content_id) ?? item.video_script ?? "";
		this.problem.replaceChildren();
		this.#draw();
		this.#follow();
		if (item.generation?.status === "completed") this.#refreshLink(true);
	}

	/** The list was loaded again: take the item's news, keep what is typed. */
	refresh(item) {
		this.#item = item;
		this.#draw();
		if (!this.#stream) this.#follow();
	}

	setIntegration(integration) {
		this.#integration = integration;
		this.#draw();
	}

	close() {
		this.element.remove();
		this.#item = null;
		this.#stream?.abort();
		this.#stream = null;
		this.progress.stop();
	}

	#draw() {
		if (!this.#item) return;
		const { generation, content_id: id } = this.#item;
		const live = isLive(generation);
		this.progress.show(live ? generation : null);
		this.result.show(this.#item);
		this.editor.hidden = live;
		const starting = this.#starting.has(id);
		busy(this.start, starting ? strings.videos.starting : null);
		if (!starting) this.start.textContent = this.result.hasVideo ? strings.videos.again : strings.videos.generate;
		this.#typed();
	}

	#typed() {
		const words = strings.videos;
		const script = this.script.value;
		if (this.#item && script !== (this.#item.video_script ?? "")) this.#drafts.set(this.#item.content_id, script);
		else if (this.#item) this.#drafts.delete(this.#item.content_id);
		const length = [...script].length;
		const over = length - LONGEST_SCRIPT;
		this.count.textContent = words.count(length, LONGEST_SCRIPT);
		this.count.toggleAttribute("data-over", over > 0);
		this.script.setAttribute("aria-invalid", String(over > 0));
		const reason = this.#obstacle();
		this.note.textContent = over > 0 ? words.tooLong(over) : reason ?? words.bills(this.#provider);
		const ready = !reason && over <= 0 && script.trim();
		this.start.setAttribute("aria-disabled", String(!ready || this.start.hasAttribute("data-busy")));
	}

	/** Why no video can be made now, in words; null if one can. */
	#obstacle() {
		const words = strings.videos;
		if (!this.#integration) return words.connectFirst(this.#provider);
		if (this.#integration.status !== "active") return words.solveFirst(this.#provider);
		return this.#integration.avatar_id ? null : words.avatarFirst;
	}

	async #start() {
		const item = this.#item;
		const id = item.content_id;
		const script = this.script.value;
		if (this.#starting.has(id)) return;
		if (!script.trim()) this.#tell(id, { code: "script_missing" });
		if (this.start.getAttribute("aria-disabled") === "true") return;
		this.problem.replaceChildren();
		this.#starting.add(id);
		this.#draw();
		try {
			this.#moved(id, await this.#api.generate(id, script, this.#attempt(id, script)));
			this.#attempts.delete(id);
		} catch (error) {
			if (error.status) this.#attempts.delete(id); // an answer, so the next start is a new one
			this.#tell(id, error);
			if (error.code === "generation_in_progress") {
				await this.#api.generation(id).then((generation) => this.#moved(id, generation), () => {}); // said already
			}
		}
		this.#starting.delete(id);
		if (this.#item?.content_id !== id) return;
		this.#draw();
		if (isLive(this.#item.generation)) this.progress.focus();
		this.#follow();
	}

	/** The Idempotency-Key: kept while nobody knows whether the last try arrived, so that it is never billed twice. */
	#attempt(contentId, script) {
		const last = this.#attempts.get(contentId);
		if (last?.script === script) return last.id;
		const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
		this.#attempts.set(contentId, { script, id });
		return id;
	}

	#moved(contentId, generation) {
		const wasLive = this.#item?.content_id === contentId && isLive(this.#item.generation);
		this.#ongeneration(contentId, generation);
		if (this.#item?.content_id !== contentId) return;
		const hadFocus = this.progress.element.contains(this.#root.activeElement);
		this.#draw();
		if (wasLive && !isLive(generation)) this.#ended(generation, hadFocus);
	}

	#ended(generation, hadFocus) {
		if (generation.status === "completed") this.#say(strings.progress.now(this.#provider).at(-1));
		if (hadFocus) (this.result.hasVideo ? this.result.video : this.start).focus();
	}

	async #follow() {
		const id = this.#item?.content_id;
		if (this.#stream || !isLive(this.#item?.generation)) return;
		const stream = new AbortController();
		this.#stream = stream;
		try {
			await follow(this.#api, this.#session, id, {
				signal: stream.signal,
				onGeneration: (generation) => { if (!stream.signal.aborted) this.#moved(id, generation); },
				onConnection: (there) => this.progress.setConnected(there),
			});
		} catch (error) {
			this.#tell(id, error);
		}
		if (this.#stream === stream) this.#stream = null;
	}

	async #cancel() {
		const id = this.#item.content_id;
		const words = strings.cancelling;
		await confirm(this.#root, {
			title: words.title, text: words.text(this.#provider), yes: words.confirm, no: words.keep,
			doing: strings.videos.cancelling, explain: (error) => explain(error, this.#provider),
			act: async () => this.#moved(id, await this.#api.cancel(id)),
		});
		if (!this.editor.hidden) this.start.focus();
	}

	/** Ask for the video's link as it is now: a provider's links die. */
	async #refreshLink(quietly = false) {
		const id = this.#item.content_id;
		try {
			this.#moved(id, await this.#api.generation(id));
		} catch (error) {
			if (!quietly) this.#tell(id, error);
		}
	}

	#tell(contentId, error) {
		if (this.#item?.content_id !== contentId) return;
		if (error.code === "session_expired" || error.code === "offline") return; // the banner says so
		this.problem.replaceChildren(notice("bad", explain(error, this.#provider)));
	}
}
