// @ts-check
// Follows a generation through its event stream.
import { ApiError } from "../lib/failure.js";
import { readMessages } from "../lib/event-stream.js";
import { toFailure } from "../lib/failure.js";
import { isLive } from "./generation.js";

/** @import { Session } from "../lib/session.js" */
/** @import { Generation } from "../lib/types.js" */
/** @import { VideoApi } from "./video-api.js" */

const STREAM_TIMEOUT = 40_000; // ms; the server sends something every 15 s
const MAX_RETRY_DELAY = 15_000; // ms

/**
 * Follow a generation until it ends or the signal aborts, through lost connections and expired tokens.
 * Any other error response is thrown, and so is the end of the user's access.
 * @param {VideoApi} api
 * @param {Session} session
 * @param {string} contentId
 * @param {object} options
 * @param {(generation: Generation) => void} options.onGeneration called with each state
 * @param {(connected: boolean) => void} options.onConnection
 * @param {AbortSignal} options.signal
 */
export async function follow(api, session, contentId, { onGeneration, onConnection, signal }) {
	for (let failures = 0; !signal.aborted; failures += 1) {
		try {
			const stream = await api.events(contentId, signal);
			onConnection(true);
			for await (const { event, data } of readMessages(stream.body, { timeout: STREAM_TIMEOUT, signal })) {
				failures = 0;
				if (event === "expired_token") {
					await stream.renew();
					break;
				}
				if (event === "access_ended") throw new ApiError("access_ended", { status: 403 });
				if (event !== "generation") continue;
				const generation = JSON.parse(data);
				onGeneration(generation);
				if (!isLive(generation)) return;
			}
		} catch (error) {
			if (signal.aborted) return;
			const { code, status } = toFailure(error);
			if (code === "session_expired") await session.next(signal);
			else if (status >= 400 && status < 500 && status !== 429) throw error;
			else onConnection(false);
		}
		await pause(Math.min(MAX_RETRY_DELAY, 500 * 2 ** failures) * (0.5 + Math.random() / 2), signal);
	}
}

/**
 * Wait, but no longer than until the network is back or the signal aborts.
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function pause(milliseconds, signal) {
	return new Promise((resolve) => {
		const done = () => {
			clearTimeout(timer);
			removeEventListener("online", done);
			signal.removeEventListener("abort", done);
			resolve();
		};
		const timer = setTimeout(done, signal.aborted ? 0 : milliseconds);
		addEventListener("online", done);
		signal.addEventListener("abort", done);
	});
}
