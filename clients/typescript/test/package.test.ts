import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const MANIFEST = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

test("the lock file names no registry", () => {
	const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
	const resolved = Object.values<{ resolved?: string }>(packages).flatMap((entry) => entry.resolved ?? []);
	assert.deepEqual(resolved, []);
});

test("openapi-fetch is the only dependency at run time; React is optional", () => {
	assert.deepEqual(Object.keys(MANIFEST.dependencies), ["openapi-fetch"]);
	assert.deepEqual(MANIFEST.peerDependenciesMeta, { react: { optional: true } });
});

test("every export is there, with its types, and loads without a document", async () => {
	for (const [name, { types, default: path }] of Object.entries<Record<string, string>>(MANIFEST.exports)) {
		assert.ok(existsSync(join(ROOT, types ?? "")), `${name} has no types`);
		assert.ok(Object.keys(await import(join(ROOT, path ?? ""))).length > 0);
	}
});

test("modules import nothing but themselves, openapi-fetch and React", () => {
	const imported = new Set<string>();
	for (const file of readdirSync(join(ROOT, "dist"), { recursive: true, encoding: "utf8" })) {
		if (!file.endsWith(".js")) continue;
		const code = readFileSync(join(ROOT, "dist", file), "utf8");
		for (const [, name = ""] of code.matchAll(/\b(?:from|import) ?\(?"([^".][^"]*)"/g)) imported.add(name);
	}
	assert.deepEqual([...imported].sort(), ["openapi-fetch", "react", "react/jsx-runtime"]);
});

test("React's modules begin with the directive that keeps them out of server components", () => {
	for (const file of readdirSync(join(ROOT, "dist", "react"))) {
		if (file.endsWith(".js")) assert.match(readFileSync(join(ROOT, "dist", "react", file), "utf8"), /^"use client";/);
	}
});
