// @ts-check
// Reads a `text/event-stream` body. EventSource is no alternative: it would need the token in the URL.

/** @typedef {{ event: string, data: string }} StreamMessage */

/** Splits the text of a stream into messages. Comments and the fields `id` and `retry` are ignored. */
export class EventStreamParser {
	#rest = "";

	/** Add a piece of the stream and return the messages that it completes. @param {string} text */
	push(text) {
		const blocks = (this.#rest + text).replaceAll("\r\n", "\n").split("\n\n");
		this.#rest = /** @type {string} */ (blocks.pop());
		return blocks.map(parseBlock).filter((message) => message !== null);
	}
}

/** @param {string} block @returns {StreamMessage | null} */
function parseBlock(block) {
	let event = "message";
	/** @type {string[]} */
	const data = [];
	for (const line of block.split("\n")) {
		const [, field, value] = /^(event|data)(?:: ?(.*))?$/.exec(line) ?? [];
		if (field === "event") event = value ?? "message";
		if (field === "data") data.push(value ?? "");
	}
	return data.length > 0 || event !== "message" ? { event, data: data.join("\n") } : null;
}

/**
 * Yield the messages of a response body until it ends.
 * @param {ReadableStream<Uint8Array>} body
 * @param {{ timeout: number, signal?: AbortSignal }} options `timeout`: the longest silence, in ms
 * @returns {AsyncGenerator<StreamMessage, void, void>}
 */
export async function* readMessages(body, { timeout, signal }) {
	const reader = body.getReader();
	const decoder = new TextDecoder();
	const parser = new EventStreamParser();
	try {
		for (;;) {
			const { done, value } = await withTimeout(reader.read(), timeout);
			if (done || signal?.aborted) return;
			yield* parser.push(decoder.decode(value, { stream: true }));
		}
	} finally {
		reader.cancel().catch(() => {}); // already broken: nothing to close
	}
}

/** @template T @param {Promise<T>} promise @param {number} timeout @returns {Promise<T>} */
function withTimeout(promise, timeout) {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new Error(`no data for ${timeout} ms`)), timeout);
		promise.then(resolve, reject).finally(() => clearTimeout(timer));
	});
}
