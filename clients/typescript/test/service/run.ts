// Runs the tests of this folder against the service that AI_AVATAR_DEV_JSON describes (`make run` writes
// .data/dev.json), or against an `ai-avatar dev` of their own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const COMMAND = new URL("../../../../.venv/bin/ai-avatar", import.meta.url).pathname;
const START_LIMIT = 120_000; // ms

async function runTests(devJson: string): Promise<number> {
	const names = (await readdir(import.meta.dirname)).filter((name) => name.endsWith(".test.js"));
	const files = names.map((name) => join(import.meta.dirname, name));
	// One after the other: they share the demo business.
	const options = ["--test", "--test-reporter=spec", "--test-concurrency=1"];
	const tests = spawn(process.execPath, [...options, ...files], {
		stdio: "inherit",
		env: { ...process.env, AI_AVATAR_DEV_JSON: devJson },
	});
	const [code] = await once(tests, "exit");
	return code ?? 1;
}

async function withService(run: (devJson: string) => Promise<number>): Promise<number> {
	const folder = await mkdtemp(join(tmpdir(), "ai-avatar-client-"));
	const service = spawn(COMMAND, ["dev", "--port", String(await freePort()), "--data-dir", folder], { stdio: "pipe" });
	const ended = once(service, "exit");
	let output = "";
	for (const stream of [service.stdout, service.stderr]) {
		stream.on("data", (chunk) => {
			output += chunk;
		});
	}
	try {
		const devJson = join(folder, "dev.json");
		if (!(await isStarted(service, devJson))) throw new Error(`\`ai-avatar dev\` did not start: ${output}`);
		return await run(devJson);
	} finally {
		if (service.kill()) await ended;
		await rm(folder, { recursive: true, force: true });
	}
}

async function isStarted(service: ChildProcess, devJson: string): Promise<boolean> {
	const deadline = performance.now() + START_LIMIT;
	while (service.exitCode === null && performance.now() < deadline) {
		if (await readFile(devJson).catch(() => null)) return true;
		await pause(100);
	}
	return false;
}

async function freePort(): Promise<number> {
	const probe = createServer().listen(0, "127.0.0.1");
	await once(probe, "listening");
	const address = probe.address();
	probe.close();
	return typeof address === "object" && address ? address.port : 0;
}

const running = process.env.AI_AVATAR_DEV_JSON;
process.exitCode = await (running ? runTests(running) : withService(runTests));
