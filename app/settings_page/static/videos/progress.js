// @ts-check
// The progress of a video: its stage, the elapsed time, what it speaks, and a button to cancel.
import { button, clear, fill, h, icon } from "../lib/dom.js";
import { formatElapsed } from "../lib/text.js";
import { canNotify } from "./notify.js";
import { progress } from "./strings.js";

/** @import { Context } from "../lib/context.js" */
/** @import { LiveGeneration } from "../lib/types.js" */

export class Progress {
	#context; #words; #now; #elapsed; #stages; #lost; #notify; #script;
	/** @type {ReturnType<typeof setInterval> | undefined} */
	#timer;
	#announced = "";

	/** @param {Context} context @param {{ oncancel: () => void }} options */
	constructor(context, { oncancel }) {
		const words = context.text.section("progress", progress);
		this.#context = context;
		this.#words = words;
		this.#now = h("p", { class: "strong progress-now", tabindex: "-1" });
		this.#elapsed = h("span", { class: "count", role: "timer", "aria-label": words.elapsed });
		this.#stages = words.stages.map((stage) => h("li", {}, h("span", {}, stage)));
		this.#lost = h("p", { class: "small lost", role: "status" });
		this.#notify = h("div", { class: "notify" });
		this.#script = h("p", { class: "spoken", dir: "auto" });
		this.element = h("div", { class: "progress", part: "progress", hidden: true },
			h("div", { class: "label-line" }, this.#now, this.#elapsed),
			h("ol", { class: "stages" }, ...this.#stages),
			this.#lost,
			h("details", {}, h("summary", {}, words.speaking), this.#script),
			h("p", { class: "small" }, words.wait),
			h("div", { class: "buttons end" }, this.#notify, button(words.cancel, oncancel)));
	}

	/** @param {LiveGeneration | null} generation null hides the progress @param {string} provider its title */
	show(generation, provider) {
		this.element.hidden = !generation;
		if (!generation) return this.stop();
		const stage = generation.status === "dispatching" ? 0 : generation.video_id ? 2 : 1;
		const words = this.#context.text.fill(this.#words.now[stage], { p: provider });
		if (this.#announced !== `${generation.id} ${stage}`) {
			this.#announced = `${generation.id} ${stage}`;
			this.#now.textContent = words;
			this.#context.announce(words);
			this.#renderNotify();
		}
		this.#script.textContent = generation.script;
		this.#stages.forEach((item, index) => {
			item.dataset.state = index < stage ? "done" : index === stage ? "now" : "next";
			if (index === stage) item.setAttribute("aria-current", "step");
			else item.removeAttribute("aria-current");
		});
		clearInterval(this.#timer);
		const requested = new Date(generation.requested_at).getTime();
		const tick = () => { this.#elapsed.textContent = formatElapsed(Date.now() - requested); };
		tick();
		this.#timer = setInterval(tick, 1000);
	}

	focus() {
		this.#now.focus();
	}

	/** @param {boolean} connected */
	setConnected(connected) {
		if (connected) clear(this.#lost);
		else fill(this.#lost, icon("warn"), this.#words.reconnecting);
	}

	stop() {
		clearInterval(this.#timer);
		this.setConnected(true);
	}

	/** Offer a notification, where the browser asks its user. */
	#renderNotify() {
		if (!canNotify()) return;
		const words = this.#words;
		const state = Notification.permission;
		if (state === "granted") fill(this.#notify, h("p", { class: "small" }, words.willNotify));
		else if (state === "default") {
			fill(this.#notify, button(words.notify, async () => {
				const answer = await Notification.requestPermission();
				fill(this.#notify, h("p", { class: "small", role: "status" }, answer === "granted" ? words.willNotify : words.noNotify));
			}));
		}
	}
}
