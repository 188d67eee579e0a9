import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { AiAvatarClient } from "ai-avatar-client";
import ts from "typescript";

const ROOT = join(import.meta.dirname, "..");
const ELEMENT = join(ROOT, "test", "element-types.ts");

/** What the README's examples take from their surroundings. */
const SURROUNDINGS = `
import type { AiAvatarClient as Client } from "ai-avatar-client";
declare global {
	const client: Client;
	const contentId: string, businessId: string, generationId: string, serviceUrl: string;
	const signal: AbortSignal;
	const getAccessToken: () => Promise<string | null>;
	const tokenFromCookies: () => Promise<() => Promise<string | null>>;
	interface Session { data: { session: { access_token: string } | null } }
	const supabase: { auth: { refreshSession(): Promise<Session>; getSession(): Promise<Session> } };
	const AiAvatarClient: typeof Client;
}
`;
const NEXT_CACHE = 'declare module "next/cache" { export function revalidatePath(path: string): void }';

/** Write the README's examples as modules, next to the compiled tests. */
function writeReadmeExamples(): string[] {
	const folder = join(ROOT, "build", "readme");
	mkdirSync(folder, { recursive: true });
	writeFileSync(join(folder, "surroundings.ts"), SURROUNDINGS);
	writeFileSync(join(folder, "next-cache.d.ts"), NEXT_CACHE);
	const readme = readFileSync(join(ROOT, "README.md"), "utf8");
	const blocks = [...readme.matchAll(/^```(tsx?)\n(.*?)^```/gms)];
	assert.ok(blocks.length >= 4);
	const examples = blocks.map(([, extension, code], index) => {
		const path = join(folder, `${index}.${extension}`);
		writeFileSync(path, `${code}\nexport {};\n`);
		return path;
	});
	return [join(folder, "surroundings.ts"), join(folder, "next-cache.d.ts"), ...examples];
}

function compile(files: string[], changes: ts.CompilerOptions = {}): string[] {
	const { config } = ts.readConfigFile(join(ROOT, "test", "tsconfig.json"), ts.sys.readFile);
	const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(ROOT, "test"));
	const program = ts.createProgram(files, { ...options, noEmit: true, rootDir: "/", ...changes });
	return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
		const line = file ? file.getLineAndCharacterOfPosition(start ?? 0).line + 1 : 0;
		return `${relative(ROOT, file?.fileName ?? "")}:${line} ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
	});
}

test("the README's examples compile", () => {
	assert.deepEqual(compile(writeReadmeExamples(), { noUnusedLocals: false }), []);
});

test("the element's declarations agree with its JavaScript", () => {
	const lenient = { allowJs: true, exactOptionalPropertyTypes: false, noUncheckedIndexedAccess: false, types: [] };
	assert.deepEqual(
		compile([ELEMENT], lenient).filter((line) => line.startsWith(relative(ROOT, ELEMENT))),
		[],
	);
});

test("every operation for users has a method of its name", () => {
	const schema = readFileSync(join(ROOT, "src", "schema.ts"), "utf8");
	const paths = schema.slice(0, schema.search(/^export (type|interface) webhooks/m));
	const operations = [...paths.matchAll(/operations\["(\w+)"\]/g)].map(([, id]) => id ?? "");
	const methods = new Set(Object.getOwnPropertyNames(AiAvatarClient.prototype));
	const missing = operations.filter((id) => !methods.has(id));
	assert.deepEqual(missing.sort(), [
		"createProviderVideo",
		"getLiveness",
		"getMetrics",
		"getProviderVideo",
		"getReadiness",
		"issueCredentials",
		"reportStatus",
	]);
	assert.ok(operations.length > 20);
});
