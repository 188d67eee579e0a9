import { setTimeout as pause } from "node:timers/promises";

/** Wait until `check` no longer throws. */
export async function eventually(check: () => void): Promise<void> {
	const deadline = performance.now() + 20_000;
	for (;;) {
		try {
			return check();
		} catch (error) {
			if (performance.now() > deadline) throw error;
			await pause(5);
		}
	}
}
