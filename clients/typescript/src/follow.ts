import { AiAvatarError, readError } from "./errors.ts";
import { EventStreamParser, readEvents, type StreamEvent } from "./event-stream.ts";
import type { Transport } from "./transport.ts";
import { type Generation, isLive } from "./types.ts";
import { backoff, wait } from "./wait.ts";

const SILENCE = 45_000; // ms; the service sends a comment every 15 s
const MAX_FAILURES = 8; // in a row, over about a minute

/**
 * Yield the current state of a generation and each change, until it has ended.
 * Reconnects after a lost connection, and with a new token when the old one has expired.
 */
export async function* follow(
	transport: Transport,
	url: string,
	signal: AbortSignal | undefined,
): AsyncGenerator<Generation, void, void> {
	const connection = new Connection(transport, url, signal);
	let last = "";
	for (let failures = 0; ; failures += 1) {
		try {
			for await (const { event, data } of connection.events()) {
				failures = 0;
				if (event === "access_ended") {
					throw new AiAvatarError("access_ended", "You no longer have access to this business.");
				}
				if (event !== "generation" || data === last) continue;
				last = data;
				const generation = parseGeneration(data);
				yield generation;
				if (!isLive(generation)) return;
			}
		} catch (error) {
			signal?.throwIfAborted();
			if (!isTransient(error) || failures >= MAX_FAILURES) throw error;
		}
		await wait(connection.retry ?? backoff(failures), signal);
	}
}

/** One event stream after another. */
class Connection {
	/** The pause before the next one, in milliseconds, if the service asked for one. */
	retry: number | null = null;
	readonly #transport: Transport;
	readonly #url: string;
	readonly #signal: AbortSignal | undefined;
	#token: string | null = null;
	#refused: string | null = null;

	constructor(transport: Transport, url: string, signal: AbortSignal | undefined) {
		this.#transport = transport;
		this.#url = url;
		this.#signal = signal;
	}

	async *events(): AsyncGenerator<StreamEvent, void, void> {
		this.retry = null;
		const parser = new EventStreamParser();
		const body = await this.#open();
		for await (const event of readEvents(body, parser, SILENCE)) {
			this.#refused = event.event === "expired_token" ? this.#token : null;
			yield event;
		}
		this.retry = parser.retry;
	}

	async #open(): Promise<ReadableStream<Uint8Array>> {
		const request = new Request(this.#url, {
			headers: { Accept: "text/event-stream" },
			...(this.#signal && { signal: this.#signal }),
		});
		const onToken = (token: string | null) => {
			this.#token = token;
		};
		const response = await this.#transport.send(request, { stream: true, refused: this.#refused, onToken });
		if (!response.ok || !response.body) throw await readError(response);
		return response.body;
	}
}

/** Whether to connect again. Any error that is not the client's own means that the connection broke. */
function isTransient(error: unknown): boolean {
	if (!(error instanceof AiAvatarError)) return true;
	return error.code === "network_error" || error.code === "timeout" || error.status === 429 || error.status >= 500;
}

function parseGeneration(data: string): Generation {
	try {
		return JSON.parse(data);
	} catch (cause) {
		throw new AiAvatarError("unexpected_response", "The event stream contains something other than JSON.", { cause });
	}
}
