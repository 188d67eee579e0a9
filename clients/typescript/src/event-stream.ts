import { AiAvatarError } from "./errors.ts";

export interface StreamEvent {
	event: string;
	data: string;
}

/** Splits the text of a `text/event-stream` into events, as the HTML standard says. Comments and ids are ignored. */
export class EventStreamParser {
	/** The pause before reconnecting that the server asked for, in milliseconds. */
	retry: number | null = null;
	#rest = "";
	#event = "";
	#data: string[] = [];

	/** Add a piece of the stream; return the events that it completes. */
	push(text: string): StreamEvent[] {
		const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
		this.#rest = lines.pop() ?? ""; // a carriage return at its end may be half of a line break
		return lines.map((line) => this.#line(line)).filter((event) => event !== null);
	}

	#line(line: string): StreamEvent | null {
		if (line === "") return this.#dispatch();
		const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
		if (field === "event") this.#event = value;
		else if (field === "data") this.#data.push(value);
		else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
		return null;
	}

	#dispatch(): StreamEvent | null {
		const event = { event: this.#event || "message", data: this.#data.join("\n") };
		const isEmpty = this.#data.length === 0;
		this.#event = "";
		this.#data = [];
		return isEmpty ? null : event;
	}
}

/** Yield the events of a body until it ends. Throws `timeout` after `silence` milliseconds without any data. */
export async function* readEvents(
	body: ReadableStream<Uint8Array>,
	parser: EventStreamParser,
	silence: number,
): AsyncGenerator<StreamEvent, void, void> {
	const reader = body.getReader();
	const decoder = new TextDecoder();
	try {
		for (;;) {
			const { done, value } = await within(silence, reader.read());
			if (done) return;
			yield* parser.push(decoder.decode(value, { stream: true }));
		}
	} finally {
		reader.cancel().catch(() => {}); // a broken stream has nothing to cancel
	}
}

function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(
			() => reject(new AiAvatarError("timeout", "The event stream has been silent for too long.")),
			milliseconds,
		);
		promise.then(resolve, reject).finally(() => clearTimeout(timer));
	});
}
