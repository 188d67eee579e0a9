// How far a video is: its stage, the time it takes, and the way out.
import { button, h, icon } from "../lib/dom.js";
import { strings } from "../lib/strings.js";

export class Progress {
	#provider; #say;
	#timer = null;
	#stage = null;

	constructor({ provider, say, oncancel }) {
		const words = strings.progress;
		this.#provider = provider;
		this.#say = say;
		this.now = h("p", { class: "progress-now", tabindex: "-1" });
		this.elapsed = h("span", { class: "elapsed", role: "timer", "aria-label": words.elapsed });
		this.stages = h("ol", { class: "stages" }, ...words.stages.map((stage) => h("li", {}, h("span", {}, stage))));
		this.lost = h("p", { class: "lost", role: "status" });
		this.element = h("div", { class: "progress", hidden: true },
			h("div", { class: "progress-head" }, this.now, this.elapsed),
			this.stages, this.lost,
			h("div", { class: "actions" }, h("p", { class: "hint" }, words.wait),
				button(strings.videos.cancel, oncancel)));
	}

	/** A live generation, or null for none. */
	show(generation) {
		this.element.hidden = !generation;
		if (!generation) return this.stop();
		const stage = generation.status === "dispatching" ? 0 : generation.video_id ? 2 : 1;
		const words = strings.progress.now(this.#provider)[stage];
		if (this.#stage !== `${generation.id} ${stage}`) {
			this.#stage = `${generation.id} ${stage}`;
			this.now.textContent = words;
			this.#say(words);
		}
		[...this.stages.children].forEach((item, index) => {
			item.dataset.state = index < stage ? "done" : index === stage ? "now" : "next";
			if (index === stage) item.setAttribute("aria-current", "step");
			else item.removeAttribute("aria-current");
		});
		clearInterval(this.#timer);
		const tick = () => { this.elapsed.textContent = clock(Date.now() - new Date(generation.requested_at)); };
		tick();
		this.#timer = setInterval(tick, 1000);
	}

	focus() { this.now.focus(); }

	setConnected(there) {
		this.lost.replaceChildren(...(there ? [] : [icon("warn"), strings.progress.reconnecting]));
	}

	stop() {
		clearInterval(this.#timer);
		this.setConnected(true);
	}
}

/** `1:05`, `1:02:03`. */
function clock(milliseconds) {
	const total = Math.max(0, Math.floor(milliseconds / 1000));
	const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
	return (parts[0] ? parts : parts.slice(1)).map((n, i) => (i ? String(n).padStart(2, "0") : n)).join(":");
}
