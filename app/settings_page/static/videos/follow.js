// A generation's event stream, read with fetch so that the token stays in a header.
import { isLive } from "../lib/dom.js";

const SILENCE = 40_000; // ms; the server says something every 15 s
const LONGEST_WAIT = 15_000; // ms between two tries

/**
 * Follow a generation until it ends or `signal` does, through lost connections and expired tokens.
 * `onGeneration` gets each state, `onConnection` true or false. Refusals other than those are thrown.
 */
export async function follow(api, session, contentId, { onGeneration, onConnection, signal }) {
	for (let failures = 0; !signal.aborted; failures += 1) {
		try {
			const stream = await api.events(contentId, signal);
			onConnection(true);
			for await (const { event, data } of messages(stream.body, signal)) {
				failures = 0;
				if (event === "expired_token") {
					await stream.renew();
					break;
				}
				if (event !== "generation") continue;
				const generation = JSON.parse(data);
				onGeneration(generation);
				if (!isLive(generation)) return;
			}
		} catch (error) {
			if (signal.aborted) return;
			if (error.code === "session_expired") await session.next(signal);
			else if (error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
			else onConnection(false);
		}
		await pause(Math.min(LONGEST_WAIT, 500 * 2 ** failures) * (0.5 + Math.random() / 2), signal);
	}
}

/** The messages of a `text/event-stream` body; comments are left out. */
async function* messages(body, signal) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = "";
	try {
		for (;;) {
			const { done, value } = await withinSilence(reader.read());
			if (done || signal.aborted) return;
			const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
			rest = blocks.pop();
			for (const block of blocks) {
				const message = { event: "message", data: "" };
				for (const line of block.split("\n")) {
					const [, field, content] = /^(event|data): ?(.*)$/.exec(line) ?? [];
					if (field === "event") message.event = content;
					if (field === "data") message.data += content;
				}
				if (message.data || message.event !== "message") yield message;
			}
		}
	} finally {
		reader.cancel().catch(() => {}); // already broken: nothing to close
	}
}

function withinSilence(read) {
	let timer;
	const silence = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error("the stream went silent")), SILENCE);
	});
	return Promise.race([read, silence]).finally(() => clearTimeout(timer));
}

/** Wait, but not past the signal's end, nor past the moment the network is back. */
function pause(milliseconds, signal) {
	return new Promise((resolve) => {
		const done = () => {
			clearTimeout(timer);
			removeEventListener("online", done);
			signal?.removeEventListener("abort", done);
			resolve();
		};
		const timer = setTimeout(done, milliseconds);
		addEventListener("online", done);
		signal?.addEventListener("abort", done);
	});
}
