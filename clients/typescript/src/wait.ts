/** Wait, or reject with the signal's reason. */
export function wait(milliseconds: number, signal?: AbortSignal | null): Promise<void> {
	return new Promise((resolve, reject) => {
		if (signal?.aborted) return reject(signal.reason);
		const stop = () => {
			clearTimeout(timer);
			reject(signal?.reason);
		};
		const timer = setTimeout(() => {
			signal?.removeEventListener("abort", stop);
			resolve();
		}, milliseconds);
		signal?.addEventListener("abort", stop, { once: true });
	});
}

/** The pause before the next attempt, in milliseconds: it doubles, with jitter, up to 15 s. */
export function backoff(failures: number): number {
	return Math.min(15_000, 250 * 2 ** failures) * (0.5 + Math.random() / 2);
}
